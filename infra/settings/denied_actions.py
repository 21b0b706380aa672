"""Which of AgentCore's operations on a runtime its resource policy denies, beside the asking of questions.

Names: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/resource-based-policies.html. A policy with a name
that AWS does not know for runtimes is refused as a whole, and the deployment with it; hence the setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from infra.settings.base import impossible
from infra.settings.patterns import Pattern

QUESTION = "InvokeAgentRuntime"
STOP_SESSION = "StopRuntimeSession"

SHELLS = ("InvokeAgentRuntimeCommand", "InvokeAgentRuntimeCommandShell")
"""What runs a caller's commands in the microVM. Production denies both."""

SIBLINGS = (
    *SHELLS,
    "InvokeAgentRuntimeWithWebSocketStream",
    "InvokeAgentRuntimeWithWebSocketStreamForUser",
    "InvokeAgentRuntimeForUser",
    STOP_SESSION,
)
"""All that a caller could do beside asking. ``ForUser`` is an invocation whose caller names a user in a header."""


def covers(denied: Sequence[str], action: str) -> bool:
    """Whether one of the names, which may end in ``*``, is that of an action."""
    return any(fnmatchcase(action, name) for name in denied)


def _leaves_questions(name: str) -> None:
    if covers([name], QUESTION):
        raise impossible("it covers InvokeAgentRuntime, and every question would be refused", "write longer names")


ACTION = Pattern(
    "the name of an operation on sessions of a runtime, like InvokeAgentRuntimeCommand; * may stand at its end",
    r"Invoke[A-Za-z]{1,80}\*?|[A-Z][a-z]+AgentRuntimeCommand[A-Za-z]{0,40}\*?|StopRuntimeSession|GetAgentCard",
    # Administrators deploy by other operations, and a policy that denies those could not be taken back.
    why="a deny of any other operation could lock the administrators out",
    check=_leaves_questions,
)

"""The operations on a runtime that its resource policy denies: all but the invocation itself.

Names: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/resource-based-policies.html. A policy with a name
that AWS does not know for runtimes is refused as a whole, and the deployment with it; hence the setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from infra.settings.base import impossible
from infra.settings.patterns import Pattern

INVOKE = "InvokeAgentRuntime"
STOP_SESSION = "StopRuntimeSession"

SHELLS = ("InvokeAgentRuntimeCommand", "InvokeAgentRuntimeCommandShell")
"""The operations that run a caller's commands in the microVM. A production stack must deny both."""

OTHER_OPERATIONS = (
    *SHELLS,
    "InvokeAgentRuntimeWithWebSocketStream",
    "InvokeAgentRuntimeWithWebSocketStreamForUser",
    "InvokeAgentRuntimeForUser",
    STOP_SESSION,
)
"""All other operations that a caller could use. ``ForUser`` is an invocation whose caller names a user in a header."""


def covers(denied: Sequence[str], action: str) -> bool:
    """Whether one of the names, which may end in ``*``, matches an action."""
    return any(fnmatchcase(action, name) for name in denied)


def _allows_invocations(name: str) -> None:
    if covers([name], INVOKE):
        raise impossible("it matches InvokeAgentRuntime, so every request would be refused", "write longer names")


ACTION = Pattern(
    "the name of an operation on sessions of a runtime, like InvokeAgentRuntimeCommand; * may stand at its end",
    r"Invoke[A-Za-z]{1,80}\*?|[A-Z][a-z]+AgentRuntimeCommand[A-Za-z]{0,40}\*?|StopRuntimeSession|GetAgentCard",
    # Administrators deploy with other operations, and a policy that denies those could not be removed again.
    why="a deny of any other operation could lock the administrators out",
    check=_allows_invocations,
)

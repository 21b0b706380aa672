"""Erases one user: the session, the conversations in AgentCore Memory, and finally the account.

Calls ``bedrock-agentcore`` (StopRuntimeSession, ListSessions, ListEvents, DeleteEvent) and
``bedrock-agentcore-control`` (GetAgentRuntime) with the administrator's own credentials. A local run has no Memory; its
conversations end with the agent's process.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from client.errors import AdministrationError
from client.outputs import Outputs
from client.users import Users, as_administration_errors


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        sub: the user's id, which identifies the user in logs.
        memory: whether the stack has AgentCore Memory.
        conversations: the number of conversations of the user.
        events: the number of turns that were deleted in them.
    """

    sub: str
    memory: bool
    conversations: int
    events: int


def erase(outputs: Outputs, username: str, profile: str | None = None) -> Erased:
    """Erase a disabled user; the account is deleted last, so that the command can be repeated after a failure.

    Args:
        outputs: the stack's.
        username: the user's name or e-mail address.
        profile: the AWS profile to sign with; None uses the default credential chain.

    Raises:
        AdministrationError: when the user is not disabled, or AWS refuses.
    """
    users = Users(outputs, profile)
    sub, enabled = users.find(username)
    if enabled:
        raise AdministrationError(
            f"{username} is not disabled and could start new conversations: run `users disable` first, wait until the "
            "issued tokens have expired (an hour in production), then erase."
        )
    erased = Erased(sub, memory=False, conversations=0, events=0)
    if not outputs.is_local:
        with as_administration_errors():
            control, data = agentcore(outputs, profile)
            _end_session(outputs, data, sub)
            runtime = control.get_agent_runtime(agentRuntimeId=outputs.runtime_id)
            if memory := runtime.get("environmentVariables", {}).get("AGENT_MEMORY_ID"):
                erased = Erased(sub, True, *_delete_conversations(data, memory.rpartition("/")[2], sub))
    users.delete(username)
    return erased


def agentcore(outputs: Outputs, profile: str | None) -> tuple[Any, Any]:
    """boto3 clients for AgentCore's control plane and data plane."""
    import boto3  # noqa: PLC0415 - importing it takes half a second

    session = boto3.Session(profile_name=profile, region_name=outputs.region)
    return session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")


def _end_session(outputs: Outputs, data: Any, sub: str) -> None:
    """End the user's session; its id is known only with ``sessionFrom: user``."""
    if outputs.session_from == "user":
        try:
            data.stop_runtime_session(
                agentRuntimeArn=outputs.runtime_arn, runtimeSessionId=sub, qualifier=outputs.qualifier
            )
        except data.exceptions.ResourceNotFoundException:
            return  # the session is not running


def _delete_conversations(data: Any, memory: str, sub: str) -> tuple[int, int]:
    """Delete every event of the user (the actor); return the numbers of sessions and events."""
    # Read all pages before the first deletion, which would change the pagination.
    pages = data.get_paginator("list_sessions").paginate(memoryId=memory, actorId=sub)
    sessions = [each["sessionId"] for page in pages for each in page["sessionSummaries"]]
    events = 0
    for session in sessions:
        where = {"memoryId": memory, "actorId": sub, "sessionId": session}
        listed = data.get_paginator("list_events").paginate(**where, includePayloads=False)
        for event in [each["eventId"] for page in listed for each in page["events"]]:
            data.delete_event(**where, eventId=event)
            events += 1
    return len(sessions), events

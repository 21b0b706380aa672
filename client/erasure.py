"""Erase one user: the session, the conversations that AgentCore Memory keeps, and last the account.

Calls ``bedrock-agentcore`` (StopRuntimeSession, ListSessions, ListEvents, DeleteEvent) and
``bedrock-agentcore-control`` (GetAgentRuntime) with the administrator's own credentials. A local run has no Memory; its
agent forgets with its process.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from client.errors import AdministrationError
from client.outputs import Outputs
from client.users import Users, explained


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        sub: the user's id, which logs name.
        memory: the stack keeps conversations.
        conversations: how many of the user's were found.
        events: how many turns were deleted in them.
    """

    sub: str
    memory: bool
    conversations: int
    events: int


def erase(outputs: Outputs, username: str, profile: str | None = None) -> Erased:
    """Erase a user who is disabled; the account goes last, so that a failure before it can be tried again.

    Args:
        outputs: the stack's.
        username: the user's name or e-mail address.
        profile: the AWS profile to sign with; None takes the usual chain of credentials.

    Raises:
        AdministrationError: when the user is still let in, or AWS refuses.
    """
    users = Users(outputs, profile)
    sub, enabled = users.find(username)
    if enabled:
        raise AdministrationError(
            f"{username} may still ask, and would leave new conversations: run `users disable` first, wait until the "
            "tokens that were given out have ended (an hour in production), then erase."
        )
    erased = Erased(sub, memory=False, conversations=0, events=0)
    if not outputs.is_local:
        with explained():
            control, data = agentcore(outputs, profile)
            _end_session(outputs, data, sub)
            runtime = control.get_agent_runtime(agentRuntimeId=outputs.runtime_id)
            if memory := runtime.get("environmentVariables", {}).get("AGENT_MEMORY_ID"):
                erased = Erased(sub, True, *_forget(data, memory.rpartition("/")[2], sub))
    users.delete(username)
    return erased


def agentcore(outputs: Outputs, profile: str | None) -> tuple[Any, Any]:
    """Clients of AgentCore's two APIs, for configuration and for what it serves."""
    import boto3  # noqa: PLC0415 - half a second that other commands save

    session = boto3.Session(profile_name=profile, region_name=outputs.region)
    return session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")


def _end_session(outputs: Outputs, data: Any, sub: str) -> None:
    """End the microVM with the user's conversations; under other settings of ``sessionFrom`` its id is unknown."""
    if outputs.session_from == "user":
        try:
            data.stop_runtime_session(
                agentRuntimeArn=outputs.runtime_arn, runtimeSessionId=sub, qualifier=outputs.qualifier
            )
        except data.exceptions.ResourceNotFoundException:
            return  # none runs


def _forget(data: Any, memory: str, sub: str) -> tuple[int, int]:
    """Delete every event of the user, who is the actor; how many sessions and events that were."""
    # A list goes by pages, so all of it is read before the first deletion changes it.
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

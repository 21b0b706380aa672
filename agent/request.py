"""Parses a request's body into one validated, frozen command: a question, or `attach`, `stop` or `history`.

A question is an AG-UI `RunAgentInput` (https://docs.ag-ui.com/sdk/python/core/types) or the short form
`{"prompt": "...", "threadId"?: "..."}`. The others are `{"threadId": ..., "attach" | "stop" | "history": {...}}`; a
stock AG-UI client sends the same member under `forwardedProps`. AG-UI clients send the whole conversation; only this
turn's input is checked and used. The earlier messages come from this server's own history, so that a caller cannot
forge the assistant's messages, and an invalid old message cannot break a conversation.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import Context, Message, ResumeEntry, RunAgentInput, Tool, UserMessage
from pydantic import ValidationError

from agent.caller import Caller
from agent.errors import bad_request
from agent.input import input_of, text_of
from agent.settings import Settings

__all__ = ["Attach", "Command", "History", "Run", "Stop", "command_of"]

_MAX_ID_CHARS = 256
# Validating an invalid entry holds the GIL for some microseconds, and a body has room for millions of entries.
_MAX_ITEMS = 20_000
_VERBS = ("attach", "stop", "history")


@dataclass(frozen=True, slots=True)
class Run:
    """One validated question: the argument of `build_agent`."""

    prompt: str
    """The text of the user's message; empty if the input is only tool results or a resume."""
    run_id: str
    thread_id: str
    session_id: str
    request_id: str = ""
    user: str | None = None
    """The `sub` of the caller's token; None only if AGENT_REQUIRE_USER is false."""
    input: tuple[Message, ...] = ()
    """This turn's AG-UI messages: the results of the page's tools, if any, then the user's message, if any."""
    tools: tuple[Tool, ...] = ()
    """The page's own tools: a call of one ends the run, and the page sends its result with its next request."""
    state: Any = None
    context: tuple[Context, ...] = ()
    forwarded_props: Any = None
    resume: tuple[ResumeEntry, ...] = ()
    """The caller's answers to the interrupts of the thread's last run."""
    protocol_version: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    """The thread's earlier messages, as AG-UI messages in JSON."""
    earlier: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """The earlier messages as the caller sent them, unchecked."""
    digest: str = ""
    """A digest of the input, which tells a repeated request from another question with the same `run_id`."""

    @property
    def input_json(self) -> list[dict[str, Any]]:
        """This turn's messages as JSON."""
        return [message.model_dump(mode="json", by_alias=True, exclude_none=True) for message in self.input]

    @property
    def speaks_1_0(self) -> bool:
        """Whether the client understands the outcomes of AG-UI 1.0; older clients abort on them."""
        major = (self.protocol_version or "").partition(".")[0]
        return major.isdecimal() and int(major) >= 1


@dataclass(frozen=True, slots=True)
class Attach:
    """Send the events of a run that was started before."""

    thread_id: str
    run_id: str | None
    """None: the thread's latest run."""
    after: int = 0
    """The number of the last event that the client has."""
    stock: bool = False
    """Whether it came from a stock AG-UI client, which gets a snapshot: it would append a replay to the text it has."""
    request_run_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """End a run at once."""

    thread_id: str
    run_id: str | None
    stock: bool = False
    request_run_id: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """Send the messages of a thread."""

    thread_id: str
    request_run_id: str


Command = Run | Attach | Stop | History


def command_of(payload: Any, caller: Caller, settings: Settings) -> Command:
    """Validate a body and return its command. Raises RefusalError with INVALID_INPUT."""
    if not isinstance(payload, dict):
        raise bad_request("the body must be an object")
    if "messages" not in payload and (verb := _verb(payload)):
        _check_members(payload, {"threadId", verb})
        return _run_command(verb, payload[verb], payload, stock=False)
    if "messages" not in payload:
        _check_members(payload, {"prompt", "threadId"}, required="prompt")
        thread_id = _id(payload, "threadId") or caller.session_id
        prompt = text_of(payload["prompt"], settings)
        message = UserMessage(id=str(uuid.uuid4()), content=prompt)
        return _run(caller, prompt=prompt, run_id=str(uuid.uuid4()), thread_id=thread_id, input=(message,))
    props = payload.get("forwardedProps")
    if isinstance(props, dict) and (verb := _verb(props)):
        return _run_command(verb, props[verb], payload, stock=True)
    return _question(payload, caller, settings)


def _verb(members: dict[str, Any]) -> str | None:
    verbs = [verb for verb in _VERBS if verb in members]
    if len(verbs) > 1:
        raise bad_request(f"{' and '.join(verbs)} cannot be sent together")
    return verbs[0] if verbs else None


def _run_command(verb: str, asked: Any, payload: dict[str, Any], *, stock: bool) -> Command:
    if not isinstance(asked, dict):
        raise bad_request(f"{verb} must be an object")
    thread_id, own_id = _required_id(payload, "threadId"), _id(payload, "runId") or str(uuid.uuid4())
    if verb == "history":
        _check_members(asked, set(), where="history")
        return History(thread_id, own_id)
    _check_members(asked, {"runId"} if verb == "stop" or stock else {"runId", "after"}, where=verb)
    run_id = _id(asked, "runId")
    if verb == "stop":
        return Stop(thread_id, run_id, stock, own_id)
    after = asked.get("after", 0)
    if isinstance(after, bool) or not isinstance(after, int) or after < 0:
        raise bad_request("attach.after must be the number of an event, 0 or more")
    return Attach(thread_id, run_id, after, stock, own_id)


def _question(payload: dict[str, Any], caller: Caller, settings: Settings) -> Run:
    messages = [] if payload["messages"] is None else payload["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise bad_request("messages must be a list of objects")
    resumes = bool(payload.get("resume"))
    first, prompt = input_of(messages, settings, required=not resumes)
    given = {**payload, "messages": messages[first:]}
    _check_lists([given, *messages[first:]])
    try:
        asked = RunAgentInput.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise bad_request(f"{_place(problem['loc'], first)} is not valid in an AG-UI RunAgentInput") from None
    return _run(
        caller,
        prompt=prompt,
        run_id=_required_id(payload, "runId"),
        thread_id=_required_id(payload, "threadId"),
        input=tuple(asked.messages),
        tools=tuple(asked.tools or ()),
        state=asked.state,
        context=tuple(asked.context or ()),
        forwarded_props=asked.forwarded_props,
        resume=tuple(asked.resume or ()),
        protocol_version=asked.protocol_version,
        earlier=tuple(messages[:first]),
    )


def _run(caller: Caller, **members: Any) -> Run:
    said = [message.model_dump(mode="json", by_alias=True, exclude_none=True) for message in members["input"]]
    answers = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in members.get("resume", ())]
    digest = hashlib.sha256(json.dumps([said, answers], sort_keys=True).encode()).hexdigest()
    return Run(session_id=caller.session_id, request_id=caller.request_id, user=caller.user, digest=digest, **members)


def _place(location: tuple[int | str, ...], first: int) -> str:
    """Name a member as in the caller's body: correct the index of a message, and drop pydantic's union tag."""
    parts = list(location)
    if parts[:1] == ["messages"] and len(parts) > 1:
        parts[1] = int(parts[1]) + first
        del parts[2:3]
    return ".".join(str(part) for part in parts)[:100]


def _check_members(
    members: dict[str, Any], known: set[str], *, required: str | None = None, where: str = "the body"
) -> None:
    if (required and required not in members) or not set(members) <= known:
        may = ", ".join(sorted(known)) or "no member"
        raise bad_request(
            f"{where} may have {may}" + (", or be an AG-UI RunAgentInput with messages" if where == "the body" else "")
        )


def _check_lists(objects: list[dict[str, Any]]) -> None:
    lists = [value for one in objects for name, value in one.items() if name != "state" and isinstance(value, list)]
    if sum(map(len, lists)) > _MAX_ITEMS:
        raise bad_request(f"its lists have more than {_MAX_ITEMS} entries together")


def _id(members: dict[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS or not value.isprintable():
        raise bad_request(f"{name} must have 1 to {_MAX_ID_CHARS} printable characters")
    return value


def _required_id(members: dict[str, Any], name: str) -> str:
    value = _id(members, name)
    if value is None:
        raise bad_request(f"{name} is missing")
    return value

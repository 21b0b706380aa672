"""From a request's body to one validated, frozen command: a question, or a word about a run.

A question is an AG-UI `RunAgentInput` (https://docs.ag-ui.com/sdk/python/core/types) or the short form
`{"prompt": "...", "threadId"?: "..."}`. `{"threadId": ..., "attach" | "stop" | "history": {...}}` is about a run that
was started before; a stock AG-UI client sends the same under `forwardedProps`. Of the conversation that AG-UI clients
send along only the input of this turn is checked and used: the earlier messages come from this server's own history,
so that a caller cannot put words into the assistant's mouth, and none of them can spoil a conversation.
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
# Each bad entry costs some microseconds in which no other thread runs; a body has room for millions.
_MAX_ITEMS = 20_000
_VERBS = ("attach", "stop", "history")


@dataclass(frozen=True, slots=True)
class Run:
    """One question to the agent, checked: what `build_agent` is given."""

    prompt: str
    """The text of the user's message; empty when tool results or a resume alone continue the thread."""
    run_id: str
    thread_id: str
    session_id: str
    request_id: str = ""
    user: str | None = None
    """The `sub` of the caller's token, None only where none is required."""
    input: tuple[Message, ...] = ()
    """This turn's AG-UI messages: the results of the page's tools, then the user's message, if any."""
    tools: tuple[Tool, ...] = ()
    """The page's own tools: a call of one ends the run, and the page sends its result with the next."""
    state: Any = None
    context: tuple[Context, ...] = ()
    forwarded_props: Any = None
    resume: tuple[ResumeEntry, ...] = ()
    """The caller's answers to the interrupts with which the thread's last run ended."""
    protocol_version: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    """What was said before in this thread, as AG-UI messages in JSON."""
    earlier: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """What the caller says was said before this turn, unchecked."""
    digest: str = ""
    """Of the input: a question sent again under its run's id is the same question."""

    @property
    def speaks_1_0(self) -> bool:
        """Whether the caller reads what AG-UI 1.0 added, and older clients abort on."""
        major = (self.protocol_version or "").partition(".")[0]
        return major.isdecimal() and int(major) >= 1


@dataclass(frozen=True, slots=True)
class Attach:
    """Send the events of a run that was started before."""

    thread_id: str
    run_id: str | None
    """None: the thread's latest."""
    after: int = 0
    """The number of the last event that the caller has."""
    stock: bool = False
    """A stock AG-UI client, which would append a replay to what it has, and so gets a snapshot first."""
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
    """Send what was said before in a thread."""

    thread_id: str
    request_run_id: str


Command = Run | Attach | Stop | History


def command_of(payload: Any, caller: Caller, settings: Settings) -> Command:
    """Check a body in full and return what it asks for. Raises RefusalError with INVALID_INPUT."""
    if not isinstance(payload, dict):
        raise bad_request("the body must be an object")
    if "messages" not in payload and (verb := _verb(payload)):
        _only(payload, {"threadId", verb})
        return _about_a_run(verb, payload[verb], payload, stock=False)
    if "messages" not in payload:
        _only(payload, {"prompt", "threadId"}, needed="prompt")
        thread_id = _id(payload, "threadId") or caller.session_id
        prompt = text_of(payload["prompt"], settings)
        message = UserMessage(id=str(uuid.uuid4()), content=prompt)
        return _run(caller, prompt=prompt, run_id=str(uuid.uuid4()), thread_id=thread_id, input=(message,))
    props = payload.get("forwardedProps")
    if isinstance(props, dict) and (verb := _verb(props)):
        return _about_a_run(verb, props[verb], payload, stock=True)
    return _question(payload, caller, settings)


def _verb(members: dict[str, Any]) -> str | None:
    verbs = [verb for verb in _VERBS if verb in members]
    if len(verbs) > 1:
        raise bad_request(f"{' and '.join(verbs)} cannot be asked for together")
    return verbs[0] if verbs else None


def _about_a_run(verb: str, asked: Any, payload: dict[str, Any], *, stock: bool) -> Command:
    if not isinstance(asked, dict):
        raise bad_request(f"{verb} must be an object")
    thread_id, own_id = _needed_id(payload, "threadId"), _id(payload, "runId") or str(uuid.uuid4())
    if verb == "history":
        _only(asked, set(), where="history")
        return History(thread_id, own_id)
    _only(asked, {"runId"} if verb == "stop" or stock else {"runId", "after"}, where=verb)
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
    first, prompt = input_of(messages, settings, needed=not resumes)
    given = {**payload, "messages": messages[first:]}
    _check_lists([given, *messages[first:]])
    try:
        asked = RunAgentInput.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise bad_request(f"{_place(problem['loc'], first)} is not what an AG-UI RunAgentInput has there") from None
    return _run(
        caller,
        prompt=prompt,
        run_id=_needed_id(payload, "runId"),
        thread_id=_needed_id(payload, "threadId"),
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
    """Name a member as the caller sent it: `messages` were cut, and the union's tag is no member."""
    parts = list(location)
    if parts[:1] == ["messages"] and len(parts) > 1:
        parts[1] = int(parts[1]) + first
        del parts[2:3]
    return ".".join(str(part) for part in parts)[:100]


def _only(members: dict[str, Any], known: set[str], *, needed: str | None = None, where: str = "the body") -> None:
    if (needed and needed not in members) or not set(members) <= known:
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


def _needed_id(members: dict[str, Any], name: str) -> str:
    value = _id(members, name)
    if value is None:
        raise bad_request(f"{name} is missing")
    return value

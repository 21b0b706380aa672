"""From the bytes and headers of a request to one validated, frozen `Run`.

The body is an AG-UI `RunAgentInput` (https://docs.ag-ui.com) or the short form `{"prompt": "..."}`. Of the
conversation that AG-UI clients send along only the last user message is used: earlier turns come from
this server's own history, so a caller cannot put words into the assistant's mouth. Client-side tools,
state and context are accepted and ignored.
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic_core
from ag_ui.core import RunAgentInput
from pydantic import ValidationError

from agent.errors import Code, RefusalError
from agent.settings import Settings

__all__ = ["ORIGIN_HEADER", "Run", "accept", "check_origin", "parse_body", "too_large"]

ORIGIN_HEADER = "x-amzn-bedrock-agentcore-runtime-custom-origin-verify"
# AgentCore's own limits: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-sessions.html
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{32,255}")
_MAX_ID_CHARS = 256
# Each bad one of them costs some microseconds in which no other thread runs; a body has room for 250,000.
_MAX_ITEMS = 5_000
# A system or developer message is the operator's word, never the user's.
_ROLES = {"user", "assistant", "tool", "reasoning", "activity"}
# Content blocks that a model provider would take for a tool call it made itself:
# https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-security-best-practices.html
_BLOCKS = {"toolUse", "toolResult", "tool_use", "tool_result"}


@dataclass(frozen=True, slots=True)
class Run:
    """One question to the agent, checked. `user` is the token's `sub`, None only where none is required."""

    prompt: str
    run_id: str
    thread_id: str
    session_id: str
    request_id: str
    user: str | None


def parse_body(body: bytes) -> Any:
    """Return the JSON value in `body`.

    Raises RefusalError(INVALID_INPUT) for bad UTF-8, lone surrogates, NaN, nesting deeper than 200 levels and
    anything else that is not JSON.
    """
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise _invalid("the body is not JSON in UTF-8") from None


def accept(
    payload: Any, headers: Mapping[str, str], settings: Settings, *, session_id: str | None, request_id: str
) -> Run:
    """Check a request in full and return its run; `headers` are those the runtime forwards.

    Raises RefusalError with ORIGIN_FORBIDDEN, SESSION_FORBIDDEN or INVALID_INPUT.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    check_origin(lower.get(ORIGIN_HEADER, ""), settings)
    user = _user(lower.get("authorization", ""), settings)
    if session_id is None:
        session_id = str(uuid.uuid4())  # only without AgentCore in front, which always sends one
    elif not _SESSION_ID.fullmatch(session_id):
        raise _invalid("the session id must have 33 to 256 letters, digits or -_.:")
    prompt, thread_id, run_id = _question(payload, settings)
    return Run(
        prompt=prompt,
        run_id=run_id or str(uuid.uuid4()),
        thread_id=thread_id or session_id,
        session_id=session_id,
        request_id=request_id,
        user=user,
    )


def too_large(limit: int) -> RefusalError:
    """Return the refusal of a body that has more than `limit` bytes."""
    return _invalid(f"the body has more than {limit} bytes")


def _invalid(what: str) -> RefusalError:
    return RefusalError(Code.INVALID_INPUT, f"The request cannot be used: {what}.")


def check_origin(given: str, settings: Settings) -> None:
    """Check the value of ORIGIN_HEADER. Raises RefusalError(ORIGIN_FORBIDDEN)."""
    accepted = settings.origin_secrets
    # Every value is compared, whatever the first comparison says, so that the time tells nothing.
    matches = [hmac.compare_digest(given.encode(), secret.encode()) for secret in accepted]
    if accepted and not any(matches):
        raise RefusalError(Code.ORIGIN_FORBIDDEN)


def _user(authorization: str, settings: Settings) -> str | None:
    """Return the `sub` of the forwarded token, whose signature AgentCore has already checked."""
    import jwt  # noqa: PLC0415 - it loads cryptography, which /ping need not wait for

    scheme, _, token = authorization.partition(" ")
    try:
        subject = jwt.decode(token, options={"verify_signature": False}).get("sub") if token else None
    except jwt.PyJWTError:
        subject = None
    if scheme.lower() == "bearer" and isinstance(subject, str) and subject:
        return subject
    if settings.require_user:
        raise RefusalError(
            Code.SESSION_FORBIDDEN,
            "The agent was not told who is asking: put Authorization on the runtime's header allow-list.",
        )
    return None


def _question(payload: Any, settings: Settings) -> tuple[str, str | None, str | None]:
    """Return the prompt, the thread id and the run id in `payload`; the ids are None in the short form."""
    if not isinstance(payload, dict):
        raise _invalid("the body must be an object")
    if "messages" not in payload:
        if set(payload) != {"prompt"}:
            raise _invalid('the body must be {"prompt": "..."} or an AG-UI RunAgentInput')
        return _text(payload["prompt"], settings), None, None
    messages = payload["messages"]
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages must be a list that is not empty")
    if len(messages) > settings.max_messages:
        raise _invalid(f"there are more than {settings.max_messages} messages")
    for message in messages:
        _check_message(message)
    _check_lists([payload, *messages])
    try:
        given = RunAgentInput.model_validate(payload)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in problem["loc"])[:100]
        raise _invalid(f"{where} is not what an AG-UI RunAgentInput has there") from None
    if given.resume:
        raise _invalid("this agent raises no interrupts, so there is nothing to resume")
    last = given.messages[-1]
    if last.role != "user":
        raise _invalid("the last message must be the user's")
    return _text(last.content, settings), _id(given.thread_id), _id(given.run_id)


def _check_message(message: Any) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise _invalid(f"the role of a message must be one of {', '.join(sorted(_ROLES))}")
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, dict) and (_BLOCKS & set(part) or (isinstance(kind, str) and kind in _BLOCKS)):
            raise _invalid("tool calls and tool results may not be sent as content")


def _check_lists(objects: list[dict[str, Any]]) -> None:
    lists = [value for one in objects for name, value in one.items() if name != "state" and isinstance(value, list)]
    if sum(map(len, lists)) > _MAX_ITEMS:
        raise _invalid(f"its lists have more than {_MAX_ITEMS} entries together")


def _id(value: str) -> str:
    if not 0 < len(value) <= _MAX_ID_CHARS or not value.isprintable():
        raise _invalid(f"threadId and runId must have 1 to {_MAX_ID_CHARS} printable characters")
    return value


def _text(content: Any, settings: Settings) -> str:
    """Return the text of a prompt: a string, or AG-UI parts that are all text."""
    if isinstance(content, list):
        texts = [getattr(part, "text", None) for part in content]
        if not all(isinstance(text, str) for text in texts):
            raise _invalid("only text can be sent to this agent")
        content = "\n".join(str(text) for text in texts)
    if not isinstance(content, str):
        raise _invalid("the prompt must be a string")
    if not content.strip():
        raise _invalid("the prompt is empty")
    if len(content) > settings.max_prompt_chars:
        raise _invalid(f"the prompt has more than {settings.max_prompt_chars} characters")
    if "\0" in content or any("\ud800" <= character <= "\udfff" for character in content):
        raise _invalid("the prompt holds a character that is not text")
    return content

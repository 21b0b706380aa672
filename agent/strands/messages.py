"""Converts between Strands messages and AG-UI messages."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from typing import Any, cast

from strands.types.content import ContentBlock, Message, Messages
from strands.types.session import decode_bytes_values

from agent.strands.media import MEDIA, media_block
from agent.turn import StoredTurn, arguments_of

__all__ = ["blocks_of", "from_ag_ui", "history_of", "is_complete", "open_calls", "to_ag_ui"]

Json = dict[str, Any]
# Stand-ins for a missing tool result and a missing answer: models refuse a history in which a call has no result.
NO_RESULT = "The call was ended before it had a result."
NO_ANSWER = "[The answer was ended before it began.]"


def is_complete(turn: Messages, *, answers: Container[str] = (), pending: frozenset[str] = frozenset()) -> bool:
    """Whether `turn` may be part of a history.

    It begins with the user and ends with the assistant, every tool call is followed by its result, every result has its
    call, and no message is empty. A blank text beside other blocks is allowed: Strands drops it.

    Args:
        turn: the messages of one turn.
        answers: ids of the previous turn's calls; this turn may begin with their results.
        pending: ids of this turn's calls that the next turn answers; this turn may end with them.
    """
    calls: set[str] = set()
    for number, message in enumerate(turn):
        blocks = message["content"]
        if all("text" in block and not block["text"].strip() for block in blocks):
            return False
        results = {block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block}
        missing = calls - results
        if any(one not in calls and not (number == 0 and one in answers) for one in results) or missing - pending:
            return False
        calls = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block} | missing
    ended = bool(turn) and (turn[-1]["role"] == "assistant" or bool(calls))
    return ended and turn[0]["role"] == "user" and calls <= pending


def history_of(turns: Sequence[StoredTurn]) -> Messages:
    """Return the history as Strands messages in a form that models accept; a copy, which the caller may change.

    They may end with calls of the page's tools and the results of the agent's own; the next input has the rest.
    """
    messages: Messages = []
    for turn in turns:
        own = turn.framework == "strands" and turn.native is not None
        messages += cast("Messages", decode_bytes_values(turn.native)) if own else from_ag_ui(turn.messages)
    return _alternating(messages)


def from_ag_ui(messages: Sequence[Json]) -> Messages:
    """Return AG-UI messages (JSON) as Strands messages; reasoning is left out, because models require it signed."""
    result: Messages = []
    for message in messages:
        role = message.get("role")
        if role in {"user", "tool"}:
            result.append({"role": "user", "content": blocks_of(message)})
        elif role == "assistant":
            blocks: list[ContentBlock] = [{"text": message["content"]}] if message.get("content") else []
            blocks += [cast("ContentBlock", {"toolUse": _tool_use(call)}) for call in message.get("toolCalls") or ()]
            if blocks:
                result.append({"role": "assistant", "content": blocks})
    return result


def blocks_of(message: Json) -> list[ContentBlock]:
    """Return the content blocks of one AG-UI message with the role `user` or `tool`."""
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks: list[Any] = []
    for number, part in enumerate(parts, 1):
        if part.get("type") == "text":
            blocks.append({"text": part["text"]})
        elif part.get("type") in MEDIA:
            blocks.append(media_block(part, number))
    if message.get("role") == "tool":
        status = "error" if message.get("error") else "success"
        result = {"toolUseId": message["toolCallId"], "status": status, "content": blocks}
        return [cast("ContentBlock", {"toolResult": result})]
    if blocks and not any("text" in block for block in blocks):
        blocks.append({"text": "See what is attached."})  # Bedrock requires a text beside a document
    return blocks


def to_ag_ui(messages: Messages, base: str) -> list[Json]:
    """Return Strands messages as AG-UI messages (JSON), with ids derived from `base`."""
    result: list[Json] = []
    for number, message in enumerate(messages):
        text = "".join(block["text"] for block in message["content"] if "text" in block)
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        for block in message["content"]:
            if answer := block.get("toolResult"):
                shown = "\n".join(one.get("text") or json.dumps(one, default=repr) for one in answer["content"])
                result.append(
                    {"id": f"{base}-{len(result)}", "role": "tool", "toolCallId": answer["toolUseId"], "content": shown}
                )
        if not text and not calls:
            continue
        made: Json = {"id": f"{base}-{number}-{message['role']}", "role": message["role"], "content": text}
        if calls:
            made["toolCalls"] = [_call(one) for one in calls]
        result.append(made)
    return result


def _call(use: Any) -> Json:
    function = {"name": use["name"], "arguments": json.dumps(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _tool_use(call: Json) -> Json:
    return {"toolUseId": call["id"], "name": call["function"]["name"], "input": arguments_of(call)}


def _alternating(messages: Messages) -> Messages:
    """Return `messages` in the form that models require: alternating roles, every tool call followed by its result."""
    result: Messages = []
    for number, message in enumerate(messages):
        unanswered = _calls(result[-1]) if result else set()
        missing = unanswered - _results(message)
        if missing and number == len(messages) - 1 and _results(message):
            result.append(message)
            return result
        if missing and message["role"] == "assistant":
            result.append({"role": "user", "content": _no_results(missing)})
        elif missing:
            message = {**message, "content": _no_results(missing) + message["content"]}  # noqa: PLW2901
        if result and result[-1]["role"] == message["role"]:
            if message["role"] == "user" and not _results(message):
                result.append({"role": "assistant", "content": [{"text": NO_ANSWER}]})
                result.append(message)
            else:
                result[-1] = {**message, "content": result[-1]["content"] + message["content"]}
        else:
            result.append(message)
    # Calls at the very end stay open: the core puts a result for each into the next turn's input.
    if result and result[-1]["role"] == "user":
        result.append({"role": "assistant", "content": [{"text": NO_ANSWER}]})
    return result


def _calls(message: Message) -> set[str]:
    return {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}


def _results(message: Message) -> set[str]:
    return {block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block}


def open_calls(messages: Messages) -> set[str]:
    """Return the ids of the calls at the end of `messages` that have no result yet."""
    last = next(
        (
            number
            for number, message in enumerate(messages)
            if message["role"] == "assistant" and _calls(message) and number >= len(messages) - 2
        ),
        None,
    )
    if last is None:
        return set()
    return _calls(messages[last]) - {one for message in messages[last + 1 :] for one in _results(message)}


def _no_results(call_ids: set[str]) -> list[ContentBlock]:
    return [
        {"toolResult": {"toolUseId": call_id, "status": "error", "content": [{"text": NO_RESULT}]}}
        for call_id in sorted(call_ids)
    ]

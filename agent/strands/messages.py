"""Strands messages and AG-UI messages, from one to the other."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, cast

from strands.types.content import ContentBlock, Message, Messages

from agent.turn import StoredTurn

__all__ = ["blocks_of", "from_ag_ui", "history_of", "is_whole", "to_ag_ui"]

Json = dict[str, Any]
# What is told to a model of a call that was never answered; models refuse a history with half a call in it.
NO_RESULT = "The call was ended before it had a result."
NO_ANSWER = "[The answer was ended before it began.]"


def is_whole(turn: Messages) -> bool:
    """Whether `turn` may be part of a history.

    It begins with the user and ends with the assistant, every tool call is followed by its result, no result comes
    without its call, and no message is empty. A blank text beside something else does no harm: Strands leaves it out.
    """
    calls: set[str] = set()
    for message in turn:
        blocks = message["content"]
        if all("text" in block and not block["text"].strip() for block in blocks):
            return False
        if {block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block} != calls:
            return False
        calls = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
    return bool(turn) and turn[0]["role"] == "user" and turn[-1]["role"] == "assistant" and not calls


def history_of(turns: Sequence[StoredTurn]) -> Messages:
    """Return what was said before as Strands messages, the caller's own to change; a model takes them as they are."""
    messages: Messages = []
    for turn in turns:
        own = turn.framework == "strands" and turn.native is not None
        messages += copy.deepcopy(cast("Messages", turn.native)) if own else from_ag_ui(turn.messages)
    return _alternating(messages)


def from_ag_ui(messages: Sequence[Json]) -> Messages:
    """Return AG-UI messages (JSON) as Strands messages; reasoning, which a model would want signed, is left out."""
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
    """Return the content blocks of one `user` or `tool` message of AG-UI."""
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts: list[Any] = [{"text": part["text"]} for part in parts if part.get("type") == "text"]
    if message.get("role") == "tool":
        status = "error" if message.get("error") else "success"
        result = {"toolUseId": message["toolCallId"], "status": status, "content": texts}
        return [cast("ContentBlock", {"toolResult": result})]
    return texts


def to_ag_ui(messages: Messages, base: str) -> list[Json]:
    """Return Strands messages as AG-UI messages (JSON), with ids made from `base`."""
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
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
    except ValueError:
        arguments = {}
    return {"toolUseId": call["id"], "name": call["function"]["name"], "input": arguments}


def _alternating(messages: Messages) -> Messages:
    """Return `messages` as a model takes them: the roles in turn, every tool call with its result after it."""
    result: Messages = []
    for message in messages:
        unanswered = _calls(result[-1]) if result else set()
        missing = unanswered - {one["toolResult"]["toolUseId"] for one in message["content"] if "toolResult" in one}
        if missing and message["role"] == "assistant":
            result.append({"role": "user", "content": _no_results(missing)})
        elif missing:
            message = {**message, "content": _no_results(missing) + message["content"]}  # noqa: PLW2901
        if result and result[-1]["role"] == message["role"]:
            if message["role"] == "user" and not _holds_results(message):
                result.append({"role": "assistant", "content": [{"text": NO_ANSWER}]})
                result.append(message)
            else:
                result[-1] = {**message, "content": result[-1]["content"] + message["content"]}
        else:
            result.append(message)
    # Calls at the very end are answered by the input of the turn to come: the core sees to it.
    if result and result[-1]["role"] == "user":
        result.append({"role": "assistant", "content": [{"text": NO_ANSWER}]})
    return result


def _calls(message: Message) -> set[str]:
    return {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}


def _holds_results(message: Message) -> bool:
    return any("toolResult" in block for block in message["content"])


def _no_results(call_ids: set[str]) -> list[ContentBlock]:
    return [
        {"toolResult": {"toolUseId": call_id, "status": "error", "content": [{"text": NO_RESULT}]}}
        for call_id in sorted(call_ids)
    ]

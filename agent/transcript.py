"""Applies the events of one run: checks their order, and builds the same messages and state as an AG-UI client.

A client builds messages and state from the events (https://docs.ag-ui.com/concepts/messages). The agent needs the
result too: a stopped run keeps its text, the history has the client's message ids, and a client that attaches late
gets a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonpatch
from ag_ui.core import (
    BaseEvent,
    EventType,
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallStartEvent,
)

__all__ = ["LIFECYCLE", "Transcript"]

LIFECYCLE = {EventType.RUN_STARTED, EventType.RUN_FINISHED, EventType.RUN_ERROR}


class Transcript:
    """The messages and the state after the events of one run so far, and the items that are still open.

    Raises ValueError for an event that is out of order.
    """

    def __init__(self, state: Any = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.state = state
        self.empty = True
        """Whether the run has had no events except those of its start and end."""
        self._texts: dict[str, list[str]] = {}  # open text messages with their deltas
        self._reasoning_texts: dict[str, list[str]] = {}
        self._arguments: dict[str, list[str]] = {}
        self._calls: dict[str, dict[str, Any]] = {}
        self._by_id: dict[str, dict[str, Any]] = {}
        self._reasoning: list[str] = []
        self._steps: list[str] = []
        self._handlers: dict[EventType, Callable[[Any], None]] = {
            EventType.TEXT_MESSAGE_START: self._start_text,
            EventType.TEXT_MESSAGE_CONTENT: self._add_text,
            EventType.TEXT_MESSAGE_END: self._end_text,
            EventType.TOOL_CALL_START: self._start_call,
            EventType.TOOL_CALL_ARGS: self._add_arguments,
            EventType.TOOL_CALL_END: self._end_call,
            EventType.TOOL_CALL_RESULT: self._result,
            EventType.REASONING_START: lambda event: self._reasoning.append(event.message_id),
            EventType.REASONING_END: self._end_reasoning,
            EventType.REASONING_MESSAGE_START: self._start_reasoning_text,
            EventType.REASONING_MESSAGE_CONTENT: self._add_reasoning_text,
            EventType.REASONING_MESSAGE_END: self._end_reasoning_text,
            EventType.REASONING_ENCRYPTED_VALUE: self._encrypted,
            EventType.STATE_SNAPSHOT: self._set_state,
            EventType.STATE_DELTA: self._change_state,
            EventType.STEP_STARTED: lambda event: self._steps.append(event.step_name),
            EventType.STEP_FINISHED: self._end_step,
            EventType.TEXT_MESSAGE_CHUNK: self._no_chunks,
            EventType.TOOL_CALL_CHUNK: self._no_chunks,
            EventType.REASONING_MESSAGE_CHUNK: self._no_chunks,
            EventType.MESSAGES_SNAPSHOT: self._no_snapshot,
        }

    def apply(self, event: BaseEvent) -> Iterable[BaseEvent]:
        """Apply one event of the agent, and return the events to send for it. Raises ValueError."""
        self.empty = False
        before: tuple[BaseEvent, ...] = ()
        if isinstance(event, ToolCallEndEvent) and self._arguments.get(event.tool_call_id) == []:
            # Clients parse the arguments as JSON, and "" is not JSON.
            nothing = ToolCallArgsEvent(tool_call_id=event.tool_call_id, delta="{}")
            self._add_arguments(nothing)
            before = (nothing,)
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)
        return (*before, event) if before else (event,)

    def close(self) -> Iterator[BaseEvent]:
        """Yield the events that close all open items."""
        for message_id in list(self._texts):
            yield from self.apply(TextMessageEndEvent(message_id=message_id))
        for call_id in list(self._arguments):
            yield from self.apply(ToolCallEndEvent(tool_call_id=call_id))
        for message_id in list(self._reasoning_texts):
            yield from self.apply(ReasoningMessageEndEvent(message_id=message_id))
        for message_id in list(self._reasoning):
            yield from self.apply(ReasoningEndEvent(message_id=message_id))
        for name in reversed(self._steps.copy()):
            yield from self.apply(StepFinishedEvent(step_name=name))

    def snapshot(self) -> tuple[list[dict[str, Any]], list[BaseEvent]]:
        """Return the finished messages, and events that reopen the open items with their content so far.

        Together they bring a client up to date that attaches in the middle. An open message is in the events only:
        some clients would add it a second time if the snapshot had it too.
        """
        open_ids = {*self._texts, *self._reasoning_texts}
        messages = [_without_calls(one, self._arguments) for one in self.messages if one["id"] not in open_ids]
        events: list[BaseEvent] = [StepStartedEvent(step_name=name) for name in self._steps]
        events += [ReasoningStartEvent(message_id=message_id) for message_id in self._reasoning]
        for message_id, deltas in self._reasoning_texts.items():
            events.append(ReasoningMessageStartEvent(message_id=message_id, role="reasoning"))
            events += [ReasoningMessageContentEvent(message_id=message_id, delta=text) for text in _joined(deltas)]
        for message_id, deltas in self._texts.items():
            events.append(TextMessageStartEvent(message_id=message_id, role="assistant"))
            events += [TextMessageContentEvent(message_id=message_id, delta=text) for text in _joined(deltas)]
        for call_id, deltas in self._arguments.items():
            parent = next((one["id"] for one in self.messages if _has_call(one, call_id)), None)
            events.append(
                ToolCallStartEvent(
                    tool_call_id=call_id,
                    tool_call_name=self._calls[call_id]["function"]["name"],
                    parent_message_id=parent,
                )
            )
            events += [ToolCallArgsEvent(tool_call_id=call_id, delta=text) for text in _joined(deltas)]
        return [message for message in messages if message is not None], events

    def _start_text(self, event: Any) -> None:
        _new(event.message_id, self._texts, event)
        self._texts[event.message_id] = []
        if event.message_id not in self._by_id:
            self._add({"id": event.message_id, "role": event.role or "assistant", "content": ""})

    def _add_text(self, event: Any) -> None:
        _open(event.message_id, self._texts, event).append(event.delta)

    def _end_text(self, event: Any) -> None:
        deltas = _open(event.message_id, self._texts, event)
        message = self._by_id[event.message_id]
        message["content"] = (message.get("content") or "") + "".join(deltas)
        del self._texts[event.message_id]

    def _start_call(self, event: Any) -> None:
        _new(event.tool_call_id, self._calls, event)
        parent_id = event.parent_message_id or event.tool_call_id
        parent = self._by_id.get(parent_id)
        if parent is None or parent["role"] != "assistant":
            parent = self._add({"id": parent_id, "role": "assistant", "toolCalls": []})
        call = {"id": event.tool_call_id, "type": "function"}
        call["function"] = {"name": event.tool_call_name, "arguments": ""}
        parent.setdefault("toolCalls", []).append(call)
        self._calls[event.tool_call_id] = call
        self._arguments[event.tool_call_id] = []

    def _add_arguments(self, event: Any) -> None:
        _open(event.tool_call_id, self._arguments, event).append(event.delta)

    def _end_call(self, event: Any) -> None:
        deltas = _open(event.tool_call_id, self._arguments, event)
        self._calls[event.tool_call_id]["function"]["arguments"] = "".join(deltas)
        del self._arguments[event.tool_call_id]

    def _result(self, event: Any) -> None:
        content = event.content
        if not isinstance(content, str):
            content = [part.model_dump(mode="json", by_alias=True, exclude_none=True) for part in content]
        self._add({"id": event.message_id, "role": "tool", "toolCallId": event.tool_call_id, "content": content})

    def _start_reasoning_text(self, event: Any) -> None:
        _new(event.message_id, self._reasoning_texts, event)
        self._reasoning_texts[event.message_id] = []
        if event.message_id not in self._by_id:
            self._add({"id": event.message_id, "role": "reasoning", "content": ""})

    def _add_reasoning_text(self, event: Any) -> None:
        _open(event.message_id, self._reasoning_texts, event).append(event.delta)

    def _end_reasoning_text(self, event: Any) -> None:
        deltas = _open(event.message_id, self._reasoning_texts, event)
        self._by_id[event.message_id]["content"] += "".join(deltas)
        del self._reasoning_texts[event.message_id]

    def _encrypted(self, event: Any) -> None:
        holder = self._calls.get(event.entity_id) or self._by_id.get(event.entity_id)
        if holder is not None:
            holder["encryptedValue"] = event.encrypted_value

    def _end_reasoning(self, event: Any) -> None:
        if event.message_id not in self._reasoning:
            raise _out_of_order(event)
        self._reasoning.remove(event.message_id)

    def _set_state(self, event: Any) -> None:
        self.state = event.snapshot

    def _change_state(self, event: Any) -> None:
        patch = [one.model_dump(mode="json", by_alias=True, exclude_unset=True) for one in event.delta]
        try:
            self.state = jsonpatch.apply_patch({} if self.state is None else self.state, patch)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise ValueError(f"a STATE_DELTA does not fit the state: {error}") from error

    def _end_step(self, event: Any) -> None:
        if event.step_name not in self._steps:
            raise _out_of_order(event)
        self._steps.remove(event.step_name)

    def _no_chunks(self, event: Any) -> None:
        raise ValueError(f"{event.type.value} is not supported: yield START, CONTENT or ARGS, and END events instead")

    def _no_snapshot(self, event: Any) -> None:
        raise ValueError("MESSAGES_SNAPSHOT is reserved: the agent server sends it in answer to `history` and `attach`")

    def _add(self, message: dict[str, Any]) -> dict[str, Any]:
        self.messages.append(message)
        self._by_id[message["id"]] = message
        return message


def _open(name: str, opened: dict[str, list[str]], event: BaseEvent) -> list[str]:
    try:
        return opened[name]
    except KeyError:
        raise _out_of_order(event) from None


def _new(name: str, opened: dict[str, Any], event: BaseEvent) -> None:
    if name in opened:
        raise _out_of_order(event)


def _out_of_order(event: BaseEvent) -> ValueError:
    return ValueError(
        f"the agent's {event.type.value} is out of order: its message, call or step is not open, or is already open"
    )


def _joined(deltas: list[str]) -> list[str]:
    text = "".join(deltas)
    return [text] if text else []


def _has_call(message: dict[str, Any], call_id: str) -> bool:
    return any(call["id"] == call_id for call in message.get("toolCalls") or ())


def _without_calls(message: dict[str, Any], open_calls: dict[str, list[str]]) -> dict[str, Any] | None:
    """Return `message` without its open calls; None if nothing else is left."""
    calls = message.get("toolCalls")
    if not calls or not any(call["id"] in open_calls for call in calls):
        return message
    closed = [call for call in calls if call["id"] not in open_calls]
    rest = {**message, "toolCalls": closed}
    if not closed:
        del rest["toolCalls"]
    return rest if closed or rest.get("content") else None

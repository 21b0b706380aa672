"""Translates the stream of a compiled graph to AG-UI events (https://docs.ag-ui.com/concepts/events)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    StepFinishedEvent,
    StepStartedEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from agent.message_events import MessageWriter, cut_result
from agent.text import SurrogateJoiner

__all__ = ["STREAM_MODES", "Translation"]

STREAM_MODES = ["messages", "tasks", "custom", "updates"]


class Translation:
    """Translates the stream of one run."""

    def __init__(self) -> None:
        self.interrupts: list[Any] = []
        self._seen: set[str] = set()
        self._message: str | None = None  # id of the model's message in progress
        self._calls: dict[int, str] = {}  # ids of open calls, by their index in the message
        self._messages = MessageWriter()

    def read(self, mode: str, data: Any) -> Iterator[BaseEvent]:
        """Yield the events, often none, for one item of the stream."""
        if mode == "messages":
            yield from self._of_model(data[0])
        elif mode == "tasks":
            yield from self._task(data)
        elif mode == "custom":
            yield from self._custom(data)
        elif mode == "updates":
            self.interrupts += data.get("__interrupt__", ())

    def end(self) -> Iterator[BaseEvent]:
        """Yield the events that close all open messages and calls."""
        self._message, self._messages.joiner = None, SurrogateJoiner()
        yield from self._messages.end()
        for call_id in self._calls.values():
            yield ToolCallEndEvent(tool_call_id=call_id)
        self._calls.clear()

    def _of_model(self, message: Any) -> Iterator[BaseEvent]:
        if isinstance(message, ToolMessage):
            yield from self._result(message)
        elif isinstance(message, AIMessageChunk):
            if message.id != self._message:
                yield from self.end()
                self._message = message.id
            self._seen.add(message.id or "")
            yield from self._content(message)
            for chunk in message.tool_call_chunks:
                yield from self._call(chunk)
        elif isinstance(message, AIMessage) and message.id not in self._seen:  # the model does not stream
            yield from self.end()
            yield from self._content(message)
            for index, call in enumerate(message.tool_calls):
                yield from self._call({**call, "index": index, "args": json.dumps(call["args"])})
            yield from self.end()

    def _content(self, message: AIMessage) -> Iterator[BaseEvent]:
        thought = message.additional_kwargs.get("reasoning_content") or ""
        for block in message.content_blocks:
            if block["type"] == "reasoning":
                thought += str(block.get("reasoning") or "")
        yield from self._messages.reasoning(thought)
        yield from self._messages.text(message.text)

    def _call(self, chunk: Any) -> Iterator[BaseEvent]:
        index = chunk.get("index") or 0
        if chunk.get("id") and chunk["id"] not in self._calls.values():
            yield from self._messages.end()
            self._calls[index] = chunk["id"]
            yield ToolCallStartEvent(tool_call_id=chunk["id"], tool_call_name=chunk.get("name") or "")
        if index in self._calls and (arguments := self._messages.joiner.add(chunk.get("args") or "")):
            yield ToolCallArgsEvent(tool_call_id=self._calls[index], delta=arguments)

    def _result(self, message: ToolMessage) -> Iterator[BaseEvent]:
        yield from self.end()
        if message.id in self._seen:
            return
        self._seen.add(message.id or "")
        result = message.text if isinstance(message.content, str) else json.dumps(message.content, default=repr)
        yield ToolCallResultEvent(
            message_id=message.id or str(uuid.uuid4()),
            tool_call_id=message.tool_call_id,
            content=cut_result(result),
            role="tool",
        )

    def _task(self, task: dict[str, Any]) -> Iterator[BaseEvent]:
        yield from self.end()
        finished = "result" in task or "error" in task
        if finished:
            yield StepFinishedEvent(step_name=task["name"])
        else:
            yield StepStartedEvent(step_name=task["name"])

    def _custom(self, data: Any) -> Iterator[BaseEvent]:
        """Yield a node's custom data: strings as text, AG-UI events unchanged, other JSON values as CUSTOM."""
        if isinstance(data, str):
            yield from self._messages.text(data)
        elif isinstance(data, BaseEvent):
            yield from self.end()
            yield data
        else:
            try:
                json.dumps(data)
            except (TypeError, ValueError, RecursionError):
                return
            yield CustomEvent(name="progress", value=data)

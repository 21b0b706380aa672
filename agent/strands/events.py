"""Translates a Strands agent's stream events to AG-UI events (https://docs.ag-ui.com/concepts/events)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    TextMessageContentEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from strands.types.content import ContentBlock, Message, Messages

from agent.message_events import MAX_RESULT_CHARS, MessageWriter, cut_result
from agent.text import SurrogateJoiner, is_json_object

__all__ = ["Translation"]


class Translation:
    """Translates the stream of one run, and collects the run's messages and token usage."""

    def __init__(self, asked: list[ContentBlock]) -> None:
        self.messages: Messages = [{"role": "user", "content": asked}] if asked else []
        self.input_tokens = 0
        self.output_tokens = 0
        self.cache_read_tokens = 0
        self.cache_write_tokens = 0
        self.stop_reason = "end_turn"
        self._said: list[str] = []
        self._messages = MessageWriter()
        self._tool: str | None = None
        self._arguments: list[str] = []
        self.broken_calls: set[str] = set()
        """Ids of tool calls whose arguments are not a JSON object."""
        self.page_calls: set[str] = set()
        """Ids of the tool calls that the page answers with its next request."""
        self.interrupts: Sequence[Any] = ()
        """Strands' interrupts with which the run ended."""

    def usage(self, model: str) -> list[TokenUsage]:
        """Return the run's token usage for RUN_FINISHED, empty when the agent reported none.

        `model` is the setting AGENT_MODEL: `provider:name`, or only the provider.
        """
        provider, _, name = model.partition(":")
        # Bedrock's input tokens exclude cached tokens, AG-UI's include them.
        read = self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
        if not read + self.output_tokens:
            return []
        return [
            TokenUsage(
                provider=provider,
                model=name or provider,
                input_tokens=read,
                output_tokens=self.output_tokens,
                total_tokens=read + self.output_tokens,
                cached_input_tokens=self.cache_read_tokens or None,
                cache_write_input_tokens=self.cache_write_tokens or None,
            )
        ]

    def read(self, event: dict[str, Any]) -> Iterator[BaseEvent]:
        """Yield the AG-UI events, often none, for one event of `strands.Agent.stream_async`."""
        if "event" in event:
            yield from self._chunk(event["event"])
        elif "message" in event:
            yield from self._message(event["message"])
        elif "tool_stream_event" in event:
            yield from _progress(event["tool_stream_event"])
        elif "result" in event:
            self.stop_reason = "tool_use" if self.page_calls else event["result"].stop_reason
            self.interrupts = event["result"].interrupts or ()

    def text(self, delta: str) -> Iterator[BaseEvent]:
        """Yield the events for a delta of the answer's text."""
        for event in self._messages.text(delta):
            if isinstance(event, TextMessageContentEvent):
                self._said.append(event.delta)
            yield event

    def cut(self, stop_reason: str) -> None:
        """Take the text so far as the whole message, because the agent will not finish it."""
        self.stop_reason = stop_reason
        if self._said:
            self.messages.append({"role": "assistant", "content": [{"text": "".join(self._said)}]})
            self._said.clear()

    def end(self) -> Iterator[BaseEvent]:
        """Yield the events that close all open messages and calls."""
        self._messages.joiner = SurrogateJoiner()
        yield from self._messages.end()
        yield from self._end_call()

    def _end_call(self) -> Iterator[BaseEvent]:
        if self._tool is None:
            return
        tool, self._tool = self._tool, None
        if not self._arguments:  # clients parse the arguments as JSON, and "" is not JSON
            yield ToolCallArgsEvent(tool_call_id=tool, delta="{}")
        elif not is_json_object("".join(self._arguments)):
            self.broken_calls.add(tool)
        self._arguments.clear()
        yield ToolCallEndEvent(tool_call_id=tool)

    def _chunk(self, chunk: dict[str, Any]) -> Iterator[BaseEvent]:
        """Translate a model chunk: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html."""
        if delta := chunk.get("contentBlockDelta", {}).get("delta"):
            yield from self._delta(delta)
        elif tool_use := chunk.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
            yield from self.end()
            self._tool = tool_use["toolUseId"]
            yield ToolCallStartEvent(tool_call_id=tool_use["toolUseId"], tool_call_name=tool_use["name"])
        elif "contentBlockStop" in chunk or "messageStop" in chunk:
            yield from self.end()
        elif usage := chunk.get("metadata", {}).get("usage"):
            self.input_tokens += usage.get("inputTokens", 0)
            self.output_tokens += usage.get("outputTokens", 0)
            self.cache_read_tokens += usage.get("cacheReadInputTokens", 0)
            self.cache_write_tokens += usage.get("cacheWriteInputTokens", 0)

    def _delta(self, delta: dict[str, Any]) -> Iterator[BaseEvent]:
        if "text" in delta:
            yield from self.text(delta["text"])
        elif "toolUse" in delta:
            arguments = self._messages.joiner.add(delta["toolUse"].get("input") or "")
            if self._tool is not None and (self._arguments or arguments.strip()):
                self._arguments.append(arguments)
                yield ToolCallArgsEvent(tool_call_id=self._tool, delta=arguments)
        elif citation := delta.get("citation"):
            yield CustomEvent(name="citation", value={"messageId": self._messages.message_id, "citation": citation})
        else:
            yield from self._messages.reasoning(delta.get("reasoningContent", {}).get("text") or "")

    def _message(self, message: Message) -> Iterator[BaseEvent]:
        """Keep a finished message for the history, and yield its tool results, which no other event has."""
        self._said.clear()
        results = [block["toolResult"] for block in message["content"] if "toolResult" in block]
        if self.page_calls and results:  # drop the placeholders for the page's own results
            results = [one for one in results if one["toolUseId"] not in self.page_calls]
            message = {**message, "content": [{"toolResult": one} for one in results]}
        if message["content"]:
            self.messages.append(message)
        for result in results:
            parts = (part["text"] if "text" in part else json.dumps(part, default=repr) for part in result["content"])
            yield ToolCallResultEvent(
                message_id=str(uuid.uuid4()),
                tool_call_id=result["toolUseId"],
                content=cut_result("\n".join(parts)),
                role="tool",
            )


def _progress(report: dict[str, Any]) -> Iterator[BaseEvent]:
    """Yield a tool's progress report: an AG-UI event unchanged, other JSON values as CUSTOM.

    Values that are not JSON, such as a sub-agent's own objects, are left out.
    """
    data = report["data"]
    if isinstance(data, BaseEvent):
        yield data
        return
    try:
        size = len(json.dumps(data))
    except (TypeError, ValueError, RecursionError):
        return
    if size <= MAX_RESULT_CHARS:
        yield CustomEvent(name="tool_progress", value={"toolCallId": report["tool_use"]["toolUseId"], "data": data})

"""From the provider-neutral stream events of a Strands agent to AG-UI events (https://docs.ag-ui.com/concepts/events)."""

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

from agent.speech import MOST_RESULT_CHARS, Speech, shown
from agent.text import WholeText

__all__ = ["Translation"]


class Translation:
    """Translates the stream of one run, and keeps what a run leaves behind: its messages and its usage."""

    def __init__(self, asked: list[ContentBlock]) -> None:
        self.messages: Messages = [{"role": "user", "content": asked}] if asked else []
        self.input_tokens = 0
        self.output_tokens = 0
        self.cache_read_tokens = 0
        self.cache_write_tokens = 0
        self.stop_reason = "end_turn"
        self._said: list[str] = []
        self._speech = Speech()
        self._tool: str | None = None
        self._arguments: list[str] = []
        self.broken_calls: set[str] = set()
        """Ids of tool calls whose arguments are not a JSON object."""
        self.page_calls: set[str] = set()
        """Ids of the calls that the page answers, with its next request."""
        self.interrupts: Sequence[Any] = ()
        """Strands' interrupts with which the run ended."""

    def usage(self, model: str) -> list[TokenUsage]:
        """Return the run's tokens in the form RUN_FINISHED carries, empty when the agent reported none.

        `model` is the setting, `provider:name` or just the provider.
        """
        provider, _, name = model.partition(":")
        # Bedrock counts cached tokens beside the input tokens, AG-UI within them.
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
        """Yield the AG-UI events for one event of `strands.Agent.stream_async`, often none."""
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
        """Yield the events for some words of the answer."""
        for event in self._speech.say(delta):
            if isinstance(event, TextMessageContentEvent):
                self._said.append(event.delta)
            yield event

    def cut(self, stop_reason: str) -> None:
        """Take the words said so far as the whole message: the agent will not finish it itself."""
        self.stop_reason = stop_reason
        if self._said:
            self.messages.append({"role": "assistant", "content": [{"text": "".join(self._said)}]})
            self._said.clear()

    def end(self) -> Iterator[BaseEvent]:
        """Yield the events that close whatever is open."""
        self._speech.whole = WholeText()
        yield from self._speech.end()
        yield from self._end_call()

    def _end_call(self) -> Iterator[BaseEvent]:
        if self._tool is None:
            return
        tool, self._tool = self._tool, None
        if not self._arguments:  # what is none to a model, a client parses as JSON all the same
            yield ToolCallArgsEvent(tool_call_id=tool, delta="{}")
        elif not _is_object("".join(self._arguments)):
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
            arguments = self._speech.whole.add(delta["toolUse"].get("input") or "")
            if self._tool is not None and (self._arguments or arguments.strip()):
                self._arguments.append(arguments)
                yield ToolCallArgsEvent(tool_call_id=self._tool, delta=arguments)
        elif citation := delta.get("citation"):
            yield CustomEvent(name="citation", value={"messageId": self._speech.message_id, "citation": citation})
        else:
            yield from self._speech.think(delta.get("reasoningContent", {}).get("text") or "")

    def _message(self, message: Message) -> Iterator[BaseEvent]:
        """Keep a finished message for the history; the results of tools appear only here."""
        self._said.clear()
        results = [block["toolResult"] for block in message["content"] if "toolResult" in block]
        if self.page_calls and results:  # what stands in for the page's own results is nobody's to see
            results = [one for one in results if one["toolUseId"] not in self.page_calls]
            message = {**message, "content": [{"toolResult": one} for one in results]}
        if message["content"]:
            self.messages.append(message)
        for result in results:
            parts = (part["text"] if "text" in part else json.dumps(part, default=repr) for part in result["content"])
            yield ToolCallResultEvent(
                message_id=str(uuid.uuid4()),
                tool_call_id=result["toolUseId"],
                content=shown("\n".join(parts)),
                role="tool",
            )


def _progress(told: dict[str, Any]) -> Iterator[BaseEvent]:
    """Yield what a tool told before its result: an event of AG-UI as it is, anything else that is JSON as CUSTOM.

    What is not JSON, a sub-agent's own objects for one, is left out.
    """
    data = told["data"]
    if isinstance(data, BaseEvent):
        yield data
        return
    try:
        size = len(json.dumps(data))
    except (TypeError, ValueError, RecursionError):
        return
    if size <= MOST_RESULT_CHARS:
        yield CustomEvent(name="tool_progress", value={"toolCallId": told["tool_use"]["toolUseId"], "data": data})


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False

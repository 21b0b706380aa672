"""Models served by Ollama (https://docs.ollama.com/api/chat) at OLLAMA_HOST."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import ollama
from strands.models.ollama import OllamaModel as StrandsOllamaModel
from strands.types.content import Messages
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.streaming import StreamEvent

from agent.settings import Settings
from agent.strands.certificates import certificates

__all__ = ["OllamaModel"]


class OllamaModel(StrandsOllamaModel):
    """Strands' Ollama provider, plus reasoning; it sends no `messageStop` for an answer that broke off."""

    @classmethod
    def from_settings(cls, name: str, settings: Settings) -> OllamaModel:
        """Return the model, without a request to the server."""
        return cls(None, ollama_client_args={"verify": certificates()}, model_id=name, max_tokens=settings.max_tokens)

    async def stream(
        self,
        messages: Messages,
        tool_specs: Any = None,
        system_prompt: str | None = None,
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Stream one answer. Raises ContextWindowOverflowException, and the Ollama client's exceptions."""
        request = self.format_request(_without_reasoning(messages), tool_specs, system_prompt)
        client = ollama.AsyncClient(self.host, **self.client_args)
        blocks = _Blocks()
        try:
            yield {"messageStart": {"role": "assistant"}}
            async with aclosing(await client.chat(**request)) as answer:
                async for part in answer:
                    for event in blocks.read(part.message):
                        yield event
                    if part.done:
                        for event in blocks.close():
                            yield event
                        reason = "tool_use" if blocks.called else part.done_reason
                        yield self.format_chunk({"chunk_type": "message_stop", "data": reason})
                        yield _usage(part)
        except ollama.ResponseError as error:
            if any(text in str(error).lower() for text in self.OVERFLOW_MESSAGES):
                raise ContextWindowOverflowException(str(error)) from error
            raise


def _without_reasoning(messages: Messages) -> Messages:
    """Return the messages without reasoning, which Strands cannot convert for Ollama."""
    shown: Messages = []
    for message in messages:
        content = [block for block in message["content"] if "reasoningContent" not in block]
        if content:
            shown.append({"role": message["role"], "content": content})
    return shown


class _Blocks:
    """Turns an answer's parts into content blocks of reasoning, text and calls; closes each before the next."""

    def __init__(self) -> None:
        self.called = False
        self._open: str | None = None

    def read(self, message: ollama.Message) -> Iterator[StreamEvent]:
        """Yield the events of one part."""
        if message.thinking:
            yield from self._turn_to("reasoning")
            yield {"contentBlockDelta": {"delta": {"reasoningContent": {"text": message.thinking}}}}
        if message.content:
            yield from self._turn_to("text")
            yield {"contentBlockDelta": {"delta": {"text": message.content}}}
        for call in message.tool_calls or ():
            yield from self.close()
            self.called = True
            call_id = f"tooluse_{uuid.uuid4().hex[:24]}"
            yield {"contentBlockStart": {"start": {"toolUse": {"name": call.function.name, "toolUseId": call_id}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(call.function.arguments)}}}}
            yield {"contentBlockStop": {}}

    def close(self) -> Iterator[StreamEvent]:
        """Yield the end of the open block, if there is one."""
        if self._open is not None:
            self._open = None
            yield {"contentBlockStop": {}}

    def _turn_to(self, kind: str) -> Iterator[StreamEvent]:
        if self._open != kind:
            yield from self.close()
            self._open = kind


def _usage(part: Any) -> StreamEvent:
    """Return the usage event for the last part; a server may omit a count when its cache answered."""
    read, written = part.prompt_eval_count or 0, part.eval_count or 0
    return {
        "metadata": {
            "usage": {"inputTokens": read, "outputTokens": written, "totalTokens": read + written},
            "metrics": {"latencyMs": int((part.total_duration or 0) / 1e6)},
        }
    }

"""A model for an agent's tests: it returns the answers that the test lists, and records each request.

model = FakeModel([ToolCall("look_up", {"order": 7})], "Your order is on its way.")
agent = build_agent(run, model, [])
result = await agent.invoke_async("Where is my order?")
assert model.requests[1].results == {"look_up": "shipped on Monday"}
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from strands.models import Model
from strands.types.content import Messages
from strands.types.streaming import StreamEvent

__all__ = ["Answer", "FakeModel", "Request", "ToolCall"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool; arguments that are a `str` are sent as they are, broken JSON included."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    id: str | None = None


Answer = str | ToolCall | Exception | Sequence[str | ToolCall]
"""One answer: text, a tool call, several of either, or an exception to raise."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the model was asked: the conversation so far, the tools it may call, the system prompt."""

    messages: Messages
    tools: list[str]
    system_prompt: str | None

    @property
    def results(self) -> dict[str, str]:
        """The text of every tool result in the conversation, by the name of its tool; of several, the last."""
        blocks: list[Any] = [block for message in self.messages for block in message["content"]]
        names = {block["toolUse"]["toolUseId"]: block["toolUse"]["name"] for block in blocks if "toolUse" in block}
        return {
            names[block["toolResult"]["toolUseId"]]: "\n".join(
                part.get("text") or json.dumps(part, default=repr) for part in block["toolResult"]["content"]
            )
            for block in blocks
            if "toolResult" in block
        }


class FakeModel(Model):
    """Returns each of `answers` once, in order; a request after the last one fails an assertion."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)
        self._calls = 0

    def update_config(self, **model_config: Any) -> None:
        """Do nothing: the answers are the only configuration."""

    def get_config(self) -> dict[str, Any]:
        """Return the name under which traces list this model."""
        return {"model_id": "fake"}

    async def structured_output(
        self, output_model: Any, prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError("the fake model gives no structured output")
        yield {}

    async def stream(
        self,
        messages: Messages,
        tool_specs: Sequence[Any] | None = None,
        system_prompt: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> AsyncIterator[StreamEvent]:
        """Stream the next answer; an answer that is an exception is raised."""
        tools = [spec["name"] for spec in tool_specs or ()]
        self.requests.append(Request(copy.deepcopy(messages), tools, system_prompt))
        assert self._answers, "the fake model has no answer left: give it one more"  # noqa: S101 - a test's own mistake
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        parts = [answer] if isinstance(answer, str | ToolCall) else answer
        yield {"messageStart": {"role": "assistant"}}
        for part in parts:
            for event in self._block(part):
                yield event
        called = any(isinstance(part, ToolCall) for part in parts)
        yield {"messageStop": {"stopReason": "tool_use" if called else "end_turn"}}
        usage: Any = {
            "inputTokens": len(messages),
            "outputTokens": len(parts),
            "totalTokens": len(messages) + len(parts),
        }
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}

    def _block(self, part: str | ToolCall) -> list[StreamEvent]:
        end: StreamEvent = {"contentBlockStop": {}}
        if isinstance(part, str):
            return [{"contentBlockDelta": {"delta": {"text": part}}}, end]
        self._calls += 1
        call_id = part.id or f"call-{self._calls}"
        arguments = part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments)
        return [
            {"contentBlockStart": {"start": {"toolUse": {"name": part.name, "toolUseId": call_id}}}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": arguments}}}},
            end,
        ]

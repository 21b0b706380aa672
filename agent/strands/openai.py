"""Models behind an OpenAI-compatible interface: OpenAI's own, DeepSeek's, Qwen's, and servers such as vLLM.

AGENT_OPENAI_BASE_URL says where; the key is the variable OPENAI_API_KEY, a secret of the stack.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from strands.models.openai import OpenAIModel as StrandsOpenAIModel
from strands.types.streaming import StreamEvent

from agent.settings import Settings, SettingsError
from agent.strands.retry import retried

__all__ = ["OpenAIModel"]


class OpenAIModel(StrandsOpenAIModel):
    """Strands' OpenAI provider, which here takes no broken-off answer for a whole one."""

    @classmethod
    def from_settings(cls, model_id: str, settings: Settings) -> OpenAIModel:
        """Return the model. Raises SettingsError without a key."""
        if not os.environ.get("OPENAI_API_KEY"):
            raise SettingsError(
                "AGENT_MODEL asks for an OpenAI-compatible model, which needs the variable OPENAI_API_KEY: set it, or "
                "name its secret in runtime.secrets; a server that asks for none takes any text."
            )
        client: dict[str, Any] = {
            "timeout": settings.run_seconds,  # a model may think for minutes between words
            "max_retries": 0,  # `retried` does it
        }
        if settings.openai_base_url:
            client["base_url"] = settings.openai_base_url
        # max_completion_tokens is what OpenAI has now; the servers of others know only max_tokens.
        name = "max_tokens" if settings.openai_base_url else "max_completion_tokens"
        params = {} if settings.max_tokens is None else {name: settings.max_tokens}
        return cls(client_args=client, model_id=model_id, params=params)

    def format_chunk(self, event: dict[str, Any], **kwargs: Any) -> StreamEvent:
        """Translate one event. Strands says `end_turn` of a stream that ended without the model's finish_reason."""
        if event["chunk_type"] == "message_stop" and event["data"] == "end_turn":
            return {}
        return super().format_chunk(event, **kwargs)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        """Stream one answer, without a `messageStop` where the model sent none.

        Raises AgentError(MODEL_THROTTLED) when the server goes on throttling, or does so in mid-answer.
        """
        async with aclosing(retried(lambda: self._attempt(*args, **kwargs))) as events:
            async for event in events:
                yield event

    async def _attempt(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(super().stream(*args, **kwargs)) as events:
            async for event in events:
                if event:
                    yield event

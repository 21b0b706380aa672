"""Models with an OpenAI-compatible API: OpenAI's own, DeepSeek's, Qwen's, and servers such as vLLM.

The base URL is AGENT_OPENAI_BASE_URL, the API key OPENAI_API_KEY, which should be one of the stack's secrets.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from openai import DefaultAsyncHttpxClient
from strands.models.openai import OpenAIModel as StrandsOpenAIModel
from strands.types.streaming import StreamEvent

from agent.settings import Settings, SettingsError
from agent.strands.certificates import certificates
from agent.strands.retry import retried

__all__ = ["OpenAIModel"]


class OpenAIModel(StrandsOpenAIModel):
    """Strands' OpenAI provider; it sends no `messageStop` for an answer that broke off."""

    @classmethod
    def from_settings(cls, model_id: str, settings: Settings) -> OpenAIModel:
        """Return the model. Raises SettingsError without a key."""
        if not os.environ.get("OPENAI_API_KEY"):
            raise SettingsError(
                "AGENT_MODEL needs the variable OPENAI_API_KEY: set it, or name its secret in runtime.secrets; "
                "for a server without keys, set it to any text."
            )
        client: dict[str, Any] = {
            "timeout": settings.run_seconds,  # a model may be silent for minutes while it reasons
            "max_retries": 0,  # `retried` retries
        }
        if settings.openai_base_url:
            client["base_url"] = settings.openai_base_url
        # OpenAI's current parameter is max_completion_tokens; other servers know only max_tokens.
        name = "max_tokens" if settings.openai_base_url else "max_completion_tokens"
        params = {} if settings.max_tokens is None else {name: settings.max_tokens}
        certificates()  # here and not in the first question
        return cls(client_args=client, model_id=model_id, params=params)

    def _resolve_client_args(self) -> dict[str, Any]:
        """Return the arguments of the client of one call, which Strands closes after it."""
        return {**super()._resolve_client_args(), "http_client": DefaultAsyncHttpxClient(verify=certificates())}

    def format_chunk(self, event: dict[str, Any], **kwargs: Any) -> StreamEvent:
        """Translate one event. Strands sends `end_turn` for a stream without finish_reason; that is dropped here."""
        if event["chunk_type"] == "message_stop" and event["data"] == "end_turn":
            return {}
        return super().format_chunk(event, **kwargs)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        """Stream one answer; retries when throttled before the first event.

        Raises AgentError(MODEL_THROTTLED) when all attempts are throttled, or one is after its first event.
        """
        async with aclosing(retried(lambda: self._attempt(*args, **kwargs))) as events:
            async for event in events:
                yield event

    async def _attempt(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(super().stream(*args, **kwargs)) as events:
            async for event in events:
                if event:
                    yield event

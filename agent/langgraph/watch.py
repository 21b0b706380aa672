"""Watches the chat models in a graph: their exceptions get a MODEL_ code, and an incomplete answer is an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from ag_ui.core import TokenUsage
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.outputs import LLMResult

from agent.errors import AgentError, Code, model_failures
from agent.text import is_json_object

__all__ = ["ModelWatch"]

# The keys under which LangChain's integrations put the stop reason; an answer without one broke off.
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_CUT = {"length", "max_tokens", "MAX_TOKENS"}


class ModelWatch(AsyncCallbackHandler):
    """Watches all model calls of one run, in any node."""

    raise_error = True  # otherwise LangChain logs exceptions of this handler and continues

    def __init__(self) -> None:
        self.usage: list[TokenUsage] = []
        self.stop_reason = "end_turn"
        self._failures: list[BaseException] = []
        # The raw arguments of tool calls: LangChain completes truncated JSON, and would run the tool with it.
        self._arguments: defaultdict[UUID, defaultdict[Any, str]] = defaultdict(lambda: defaultdict(str))

    async def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        """Collect the tool arguments in one chunk."""
        for part in getattr(getattr(chunk, "message", None), "tool_call_chunks", ()):
            self._arguments[run_id][part["index"]] += part["args"] or ""

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Record a model's exception."""
        self._failures.append(error)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Raise AgentError unless the answer is complete."""
        arguments = self._arguments.pop(run_id, {}).values()
        message: Any = getattr(response.generations[0][0], "message", None)
        if message is None:
            return
        metadata: dict[str, Any] = message.response_metadata or {}
        self._count(message, metadata)
        reason = next((metadata[name] for name in _REASONS if metadata.get(name)), None)
        if reason is None and metadata:
            raise AgentError(Code.MODEL_UNAVAILABLE, "The model's answer broke off before its end; ask again.")
        self.stop_reason = "max_tokens" if reason in _CUT else "end_turn"
        if message.invalid_tool_calls or not all(is_json_object(one or "{}") for one in arguments):
            raise AgentError(Code.MODEL_OUTPUT_INVALID, "The model's tool call is malformed; ask again.")
        if not message.tool_calls and not message.text.strip():
            raise AgentError(Code.MODEL_OUTPUT_INVALID, "The model gave an empty answer; ask again.")

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Give a model's exception its MODEL_ code when it leaves the graph."""
        try:
            yield
        except Exception as error:
            if any(failure is error for failure in self._failures):
                with model_failures():
                    raise
            raise

    def _count(self, message: Any, metadata: dict[str, Any]) -> None:
        if tokens := message.usage_metadata:
            self.usage.append(
                TokenUsage(
                    provider=str(metadata.get("model_provider") or "langgraph"),
                    model=str(metadata.get("model_name") or metadata.get("model") or "unknown"),
                    input_tokens=tokens["input_tokens"],
                    output_tokens=tokens["output_tokens"],
                    total_tokens=tokens["total_tokens"],
                )
            )

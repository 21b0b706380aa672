"""Converts AG-UI messages and tools to LangChain's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ag_ui.core import Tool
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.turn import arguments_of

__all__ = ["messages_from", "page_tools"]

Json = dict[str, Any]


def messages_from(messages: Sequence[Json]) -> list[BaseMessage]:
    """Return AG-UI messages (JSON) with the same ids; roles other than user, assistant and tool are left out."""
    result: list[BaseMessage] = []
    for message in messages:
        role, content = message.get("role"), message.get("content") or ""
        if role == "user":
            result.append(HumanMessage(content=_content(content), id=message["id"]))
        elif role == "tool":
            status = "error" if message.get("error") else "success"
            call_id = message["toolCallId"]
            result.append(ToolMessage(content=_content(content), tool_call_id=call_id, id=message["id"], status=status))
        elif role == "assistant":
            calls = [_call(call) for call in message.get("toolCalls") or ()]
            result.append(AIMessage(content=content, tool_calls=calls, id=message["id"]))
    return result


def page_tools(tools: Sequence[Tool]) -> list[Json]:
    """Return the page's tools for `bind_tools`. When a graph ends with a call of one, the page answers it."""
    nothing = {"type": "object", "properties": {}}
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters or nothing},
        }
        for tool in tools
    ]


def _content(content: Any) -> Any:
    """Return text, or content blocks: https://docs.langchain.com/oss/python/langchain/messages#multimodal."""
    if isinstance(content, str):
        return content
    return [{"type": "text", "text": part["text"]} if part["type"] == "text" else _media(part) for part in content]


def _media(part: Json) -> Json:
    kind = "file" if part["type"] == "document" else part["type"]
    return {"type": kind, "base64": part["source"]["value"], "mime_type": part["source"].get("mimeType")}


def _call(call: Json) -> Any:
    return {"type": "tool_call", "id": call["id"], "name": call["function"]["name"], "args": arguments_of(call)}

"""Front-end tools: the model calls them, the page runs them (https://docs.ag-ui.com/concepts/tools).

A call of one ends the run, after the agent's own tools of the same message have run. The page sends the results as
`tool` messages with its next request, and the model continues from them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ag_ui.core import Tool
from strands import Agent
from strands.types._events import ToolResultEvent
from strands.types.tools import AgentTool, ToolSpec, ToolUse

from agent.errors import bad_request
from agent.telemetry import log_line
from agent.turn import NOT_ANSWERED

__all__ = ["add_page_tools"]


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html; no wider elsewhere.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def add_page_tools(agent: Agent, tools: Sequence[Tool], calls: set[str]) -> None:
    """Add the page's `tools` to `agent`; the ids of their calls are added to `calls`.

    A tool with the name of one of the agent's own is left out, so that a page cannot replace the agent's tools.
    Raises RefusalError(INVALID_INPUT) for a name that models do not accept.
    """
    for tool in tools:
        if not _NAME.fullmatch(tool.name):
            raise bad_request("the name of a tool must have 1 to 64 letters, digits, _ or -")
        if tool.name in agent.tool_registry.registry:
            log_line({"message": "page tool left out: the agent has one of that name", "level": "WARNING"})
            continue
        agent.tool_registry.process_tools([_PageTool(agent, tool, calls)])


class _PageTool(AgentTool):
    """One tool of the page, as a Strands tool."""

    def __init__(self, agent: Agent, tool: Tool, calls: set[str]) -> None:
        super().__init__()
        self._agent = agent
        self._calls = calls
        schema = tool.parameters if isinstance(tool.parameters, dict) else {}
        self._spec: ToolSpec = {
            "name": tool.name,
            "description": tool.description or tool.name,
            "inputSchema": {"json": {"type": "object", "properties": {}, **schema}},
        }

    @property
    def tool_name(self) -> str:
        """The tool's name, as the page sent it."""
        return self._spec["name"]

    @property
    def tool_spec(self) -> ToolSpec:
        """The tool's description for the model."""
        return self._spec

    @property
    def tool_type(self) -> str:
        """The kind of tool, for traces."""
        return "page"

    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Record the call, and end the run after it. The result is a placeholder, which is not kept."""
        self._calls.add(tool_use["toolUseId"])
        self._agent.cancel(after_current_tools=True)
        content = [{"text": NOT_ANSWERED}]
        yield ToolResultEvent({"toolUseId": tool_use["toolUseId"], "status": "error", "content": content})  # type: ignore[typeddict-item]

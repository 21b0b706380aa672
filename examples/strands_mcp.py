"""A Strands agent with a tool of its own and the tools of an MCP server, which it starts as a child process."""

import os
import sys
from typing import Any

from mcp import StdioServerParameters, stdio_client
from strands import Agent, tool
from strands.models import Model
from strands.tools.mcp import MCPClient
from strands.types.content import Messages

from agent.request import Run

SERVER = StdioServerParameters(command=sys.executable, args=[os.environ.get("MCP_SERVER", "examples/orders_server.py")])


@tool
def discount(percent: float, price: float) -> str:
    """Tell a price after a discount.

    Args:
        percent: How much is taken off.
        price: The price before it.
    """
    return f"{price * (1 - percent / 100):.2f}"


def _connect() -> Any:  # Any: the two libraries' types for the streams differ
    return stdio_client(SERVER)


def build_agent(run: Run, model: Model, history: Messages) -> Agent:
    """Return the agent; creating it starts the MCP server, closing it stops the server."""
    orders = MCPClient(_connect)
    return Agent(model=model, messages=history, tools=[discount, orders], callback_handler=None)

"""A Strands agent with a tool of its own and those of an MCP server, which is a program beside it."""

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


def _connect() -> Any:  # the two libraries name the type of their streams differently
    return stdio_client(SERVER)


def build_agent(run: Run, model: Model, history: Messages) -> Agent:
    """Return the agent; it starts the MCP server when it is made, and ends it with itself."""
    orders = MCPClient(_connect)
    return Agent(model=model, messages=history, tools=[discount, orders], callback_handler=None)

"""An MCP server over standard input and output, with one tool."""

from mcp.server import MCPServer

server = MCPServer("orders")


@server.tool()
def order_status(order: int) -> str:
    """Tell the status of an order."""
    return f"Order {order} is on its way."


if __name__ == "__main__":
    server.run("stdio")

"""Agents to copy over `agent/agent.py`: Strands with an MCP server, a plain generator, LangGraph with an interrupt."""

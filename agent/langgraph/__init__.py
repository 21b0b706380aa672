"""Compiled LangGraph graphs: their events, messages and interrupts. Ships only where langgraph is a requirement."""

"""Strands agents: their events, tools, models and messages."""

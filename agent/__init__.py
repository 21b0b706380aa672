"""The agent server: what is shipped to AgentCore Runtime.

`agent.py` is the file to replace. Everything else turns whatever it builds into a stream that survives
quiet spells, hang-ups and failures, and imports nothing from the rest of the project.
"""

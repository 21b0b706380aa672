"""The agent server: what is shipped to AgentCore Runtime.

`agent.py` is the file to replace. Everything else streams the events of the agent that it builds, through idle periods,
disconnects and failures, and imports nothing from the rest of the project.
"""

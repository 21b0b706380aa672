"""Test doubles: models that need no account, and the agent with a mistake in it."""

"""Test doubles: models that need no account, and an agent with a deliberate fault."""

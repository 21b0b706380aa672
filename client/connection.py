"""Connections to a stack: what every request carries besides the token, and which proxies it may use."""

from __future__ import annotations

import os

import httpx

from client.outputs import Outputs
from client.stream import TIMEOUT

API_KEY_VARIABLE = "AGENT_STREAM_API_KEY"
"""A key has no place on a command line, where every process can read it."""

API_KEY_HEADER = "X-API-Key"


def connect(outputs: Outputs, *, most: int = 100) -> httpx.AsyncClient:
    """A client for the stack's API, with the team's API key where the stack asks for one.

    Args:
        outputs: the stack's.
        most: how many connections it may hold.
    """
    key = api_key(outputs)
    return httpx.AsyncClient(
        headers={API_KEY_HEADER: key} if key else None,
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
        timeout=TIMEOUT,
        trust_env=not outputs.is_local,  # a proxy has no business between two ends of one machine
    )


def api_key(outputs: Outputs) -> str:
    """The team's API key: from the environment, or the first one that the outputs show. Empty when there is none."""
    given = os.environ.get(API_KEY_VARIABLE, "").strip()
    shown = [key.get_secret_value() for key in outputs.api_keys.values()]
    # `pulumi stack output` writes [secret] in place of a secret.
    return given or next((key for key in shown if not key.startswith("[")), "")

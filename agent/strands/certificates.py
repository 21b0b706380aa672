"""The certificates that model clients trust, read once."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

__all__ = ["certificates"]


@cache
def certificates() -> ssl.SSLContext:
    """Return httpx's own default. httpx reads it anew for each client, 25 ms in which the event loop does nothing else.

    Strands and Ollama's client make a client for each model call.
    """
    return httpx.create_ssl_context()

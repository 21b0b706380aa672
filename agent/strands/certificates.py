"""The certificates that model clients trust, read once."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

__all__ = ["certificates"]


@cache
def certificates() -> ssl.SSLContext:
    """Return httpx's default SSL context, created once.

    httpx creates it for each client, which blocks the event loop for 40 ms, and Strands and Ollama's library make a
    client for each model call.
    """
    return httpx.create_ssl_context()

"""Connections to a stack: what every request carries besides the token, and which proxies it may use."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import httpx

from client.errors import UsageError, reason
from client.outputs import Outputs
from client.stream import TIMEOUT

API_KEY_VARIABLE = "AGENT_STREAM_API_KEY"
"""A key has no place on a command line, where every process can read it."""

API_KEY_HEADER = "X-API-Key"


def connect(outputs: Outputs, *, most: int = 100) -> httpx.AsyncClient:
    """A client for the stack, which adds the team's API key to what goes to its API, and to nobody else.

    Args:
        outputs: the stack's.
        most: how many connections it may hold.

    Raises:
        UsageError: when the key, or a proxy of the environment, cannot be used.
    """
    key, api = api_key(outputs), _origin(outputs.invoke_url)

    async def add_key(request: httpx.Request) -> None:
        if key and _origin(str(request.url)) == api:
            request.headers[API_KEY_HEADER] = key

    try:
        return httpx.AsyncClient(
            event_hooks={"request": [add_key]},
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            timeout=TIMEOUT,
            trust_env=not outputs.is_local,  # a proxy has no business between two ends of one machine
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise UsageError(
            f"A proxy in the environment cannot be used ({reason(error)}): correct or unset http_proxy, https_proxy "
            "and all_proxy."
        ) from None


def api_key(outputs: Outputs) -> str:
    """The team's API key: from the environment, or the first one that the outputs show. Empty when there is none.

    Raises:
        UsageError: when it holds what no header can.
    """
    given = os.environ.get(API_KEY_VARIABLE, "").strip()
    shown = [key.get_secret_value() for key in outputs.api_keys.values()]
    # `pulumi stack output` writes [secret] in place of a secret.
    key = given or next((key for key in shown if not key.startswith("[")), "")
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{API_KEY_VARIABLE} holds characters that no API key has: set it anew.")
    return key


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc

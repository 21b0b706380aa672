"""HTTP connections to a stack: adds the API key to requests, and handles proxies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import httpx

from client.addresses import carries_secrets
from client.errors import UsageError, reason
from client.exchange import PLAIN_HTTP, TIMEOUT, invalid_url
from client.outputs import Outputs

API_KEY_VARIABLE = "AGENT_STREAM_API_KEY"
"""The key is not a command-line option, because other processes can read command lines."""

API_KEY_HEADER = "X-API-Key"


def connect(outputs: Outputs, *, most: int = 100) -> httpx.AsyncClient:
    """Return an HTTP client for the stack, which adds the team's API key to requests to its API and to no others.

    Args:
        outputs: the stack's.
        most: the most connections.

    Raises:
        UsageError: when the key, or a proxy in the environment, is invalid.
        OutputsError: when ``invokeUrl`` is not a valid URL.
    """
    key = api_key(outputs)
    try:
        api = _origin(httpx.URL(outputs.invoke_url))
    except httpx.InvalidURL as error:
        raise invalid_url(error) from None

    async def add_key(request: httpx.Request) -> None:
        if "authorization" in request.headers and not carries_secrets(request.url):
            raise httpx.UnsupportedProtocol(PLAIN_HTTP)
        if key and _origin(request.url) == api and carries_secrets(request.url):
            request.headers[API_KEY_HEADER] = key

    with usable_proxies():
        return httpx.AsyncClient(
            event_hooks={"request": [add_key]},
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            timeout=TIMEOUT,
            trust_env=not outputs.is_local,  # no proxy for loopback
        )


@contextlib.contextmanager
def usable_proxies() -> Iterator[None]:
    """Turn failures of creating an HTTP client into a UsageError: their only cause is a proxy in the environment."""
    try:
        yield
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise UsageError(
            f"A proxy in the environment cannot be used ({reason(error)}): correct or unset http_proxy, https_proxy "
            "and all_proxy."
        ) from None


def api_key(outputs: Outputs) -> str:
    """Return the team's API key, from the environment or else the first readable one in the outputs; empty if none.

    Raises:
        UsageError: when it contains characters that a header cannot.
    """
    given = os.environ.get(API_KEY_VARIABLE, "").strip()
    shown = [key.get_secret_value() for key in outputs.api_keys.values()]
    # `pulumi stack output` writes [secret] in place of a secret.
    key = given or next((key for key in shown if not key.startswith("[")), "")
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{API_KEY_VARIABLE} contains characters that an API key cannot have: set it again.")
    return key


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    # httpx normalizes host names to lower case and drops default ports.
    return url.scheme, url.raw_host, url.port

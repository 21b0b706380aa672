"""Connections to a stack: what every request carries besides the token, and which proxies it may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import httpx

from client.addresses import carries_secrets
from client.errors import UsageError, reason
from client.exchange import PLAIN, TIMEOUT, no_address
from client.outputs import Outputs

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
        OutputsError: when ``invokeUrl`` is not a valid URL.
    """
    key = api_key(outputs)
    try:
        api = _origin(httpx.URL(outputs.invoke_url))
    except httpx.InvalidURL as error:
        raise no_address(error) from None

    async def add_key(request: httpx.Request) -> None:
        if "authorization" in request.headers and not carries_secrets(request.url):
            raise httpx.UnsupportedProtocol(PLAIN)  # whoever made the request
        if key and _origin(request.url) == api and carries_secrets(request.url):
            request.headers[API_KEY_HEADER] = key

    with usable_proxies():
        return httpx.AsyncClient(
            event_hooks={"request": [add_key]},
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            timeout=TIMEOUT,
            trust_env=not outputs.is_local,  # a proxy has no business between two ends of one machine
        )


@contextlib.contextmanager
def usable_proxies() -> Iterator[None]:
    """Explains why a client cannot be made: httpx reads the environment's proxies then, and nothing else can be wrong.

    Raises:
        UsageError: when a proxy of the environment cannot be used.
    """
    try:
        yield
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
        raise UsageError(f"{API_KEY_VARIABLE} holds characters that no API key has: set it again.")
    return key


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    # As httpx writes them: host names have no case, and the usual port need not be named.
    return url.scheme, url.raw_host, url.port

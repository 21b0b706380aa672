"""Where a token may go: over TLS, or to this machine; and to the addresses that it was given for.

Addresses are read as the client that connects reads them, so that nobody is sent elsewhere than was checked.
"""

from __future__ import annotations

import httpx

from client.outputs import Outputs, is_loopback


def origin(url: str) -> str:
    """Scheme, host and port of an address, always written alike; empty when it has none."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return ""
    port = f":{parts.port}" if parts.port else ""  # the usual one is not named
    return f"{parts.scheme}://{parts.host}{port}" if parts.host else ""


def origins(outputs: Outputs) -> list[str]:
    """All that a stack's token is sent to."""
    return sorted({found for url in (outputs.invoke_url, outputs.runtime_url) if (found := origin(url))})


def carries_secrets(url: httpx.URL) -> bool:
    """Whether a token may be sent there: nobody on the way can read it."""
    return url.scheme == "https" or is_loopback(url.host)

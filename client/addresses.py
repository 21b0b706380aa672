"""Where a token may be sent: over TLS or to loopback, and only to the addresses that it was stored for.

URLs are parsed by httpx, which also makes the connections, so that the checked address is the one that is used.
"""

from __future__ import annotations

import httpx

from client.outputs import Outputs, is_loopback


def origin(url: str) -> str:
    """Return the normalized scheme, host and port of a URL; empty if it is invalid."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return ""
    port = f":{parts.port}" if parts.port else ""  # None if it is the scheme's default
    return f"{parts.scheme}://{parts.host}{port}" if parts.host else ""


def origins(outputs: Outputs) -> list[str]:
    """Return the origins to which a stack's token is sent."""
    return sorted({found for url in (outputs.invoke_url, outputs.runtime_url) if (found := origin(url))})


def carries_secrets(url: httpx.URL) -> bool:
    """Whether a token may be sent to this URL: over TLS, or to loopback."""
    return url.scheme == "https" or is_loopback(url.host)

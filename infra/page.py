"""What the chat page needs from whoever serves it, the local gateway or CloudFront: its settings, headers and types."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from contract import ROUTE

mimetypes.add_type("text/javascript", ".js")  # not every system's list says so, and nosniff makes it count

TOLD = ("stackName", "issuer", "loginUrl", "userPoolClientId", "sessionFrom")
"""Outputs that the page's ``config.json`` repeats. It is served to everybody, so nothing secret is ever among them."""


def page_config(outputs: Mapping[str, Any], address: str, **extra: Any) -> dict[str, Any]:
    """The page's ``config.json``.

    It asks its own origin, so that nothing depends on cross-origin headers.

    Args:
        outputs: the stack's.
        address: the page's own, a callback address of the app client.
        extra: more of `PageConfig` in ``web/src/config.ts``.
    """
    told = {name: outputs[name] for name in TOLD if name in outputs}
    return {**told, "invokeUrl": ROUTE, "callbackUrl": address, **extra}


def media_type(path: str) -> str:
    """The type that a file of the page is served with, by its name."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def cache_control(path: str) -> str:
    """How long a browser may keep a file of the page: for ever where its name changes with its content."""
    # Vite puts a digest of the content into the names of what it builds.
    return "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"


def security_headers(connects_to: Iterable[str]) -> dict[str, str]:
    """The headers of every file of the page.

    The policy lets through the page's own scripts and styles, and connections to its own origin and to
    ``connects_to``. HTML may only be put into it by DOMPurify (Trusted Types,
    https://www.w3.org/TR/trusted-types/), so an answer of the model cannot become a script.

    Args:
        connects_to: addresses that the page calls elsewhere, such as the login pages'; only their origins count.
    """
    origins = sorted({f"{url.scheme}://{url.netloc}" for url in map(urlsplit, connects_to) if url.netloc})
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": " ".join(["'self'", *origins]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

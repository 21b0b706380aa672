"""What the local gateway and CloudFront need to serve the chat page: its settings, headers and media types."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from contract import ROUTE

mimetypes.add_type("text/javascript", ".js")  # missing in some systems' lists, and required with nosniff

OUTPUTS = ("stackName", "issuer", "loginUrl", "userPoolClientId", "sessionFrom")
"""Outputs in the page's ``config.json``, which is public: never a secret."""


def page_config(outputs: Mapping[str, Any], address: str, **extra: Any) -> dict[str, Any]:
    """The page's ``config.json``.

    The page calls its own origin, so that nothing depends on CORS.

    Args:
        outputs: the stack's.
        address: the page's own, a callback address of the app client.
        extra: more of `PageConfig` in ``web/src/config.ts``.
    """
    public = {name: outputs[name] for name in OUTPUTS if name in outputs}
    return {**public, "invokeUrl": ROUTE, "callbackUrl": address, **extra}


def media_type(path: str) -> str:
    """The media type of a file of the page, by its name."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def cache_control(path: str) -> str:
    """How long a browser may cache a file of the page: for ever if its name changes with its content."""
    # Vite puts a digest of the content into the names of what it builds.
    return "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"


def security_headers(connects_to: Iterable[str]) -> dict[str, str]:
    """The headers of every file of the page.

    The policy allows the page's own scripts and styles, and connections to its own origin and to ``connects_to``. Only
    DOMPurify may insert HTML (Trusted Types, https://www.w3.org/TR/trusted-types/), so an answer of the model cannot
    become a script.

    Args:
        connects_to: URLs on other origins that the page calls, such as the login pages'.
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

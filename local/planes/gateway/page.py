"""Serves the chat page on the API's origin, as CloudFront serves both on AWS.

``/``, the page's files and ``config.json`` are served here; ``/invocations`` goes to the gateway with the stage before
it, as CloudFront's origin path adds it; every other path goes to the gateway as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from contract import ROUTE
from infra.page import cache_control, media_type, security_headers


class PageServer:
    """Serves the page, and passes other requests to the gateway; an ASGI application.

    Args:
        gateway: handles every request that is not for the page.
        stage: the stage's name.
        folder: the built page. It is read once: a page that is built later has another folder.
        config: the page's ``config.json``, read at every request, because its addresses are known last.
    """

    def __init__(self, gateway: ASGIApp, stage: str, folder: Path, config: Path) -> None:
        self._gateway = gateway
        self._stage = stage
        self._config = config
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        self._files["/"] = self._files["/index.html"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            path = scope["path"]
            if path == ROUTE:
                scope = {**scope, "path": f"/{self._stage}{path}", "raw_path": f"/{self._stage}{path}".encode()}
            elif scope["method"] in ("GET", "HEAD") and (path in self._files or path == "/config.json"):
                await self._page(path)(scope, receive, send)
                return
        await self._gateway(scope, receive, send)

    def _page(self, path: str) -> Response:
        text = self._config.read_bytes()
        config = json.loads(text)
        elsewhere = [config[name] for name in ("loginUrl", "controlUrl") if name in config]
        name = "index.html" if path == "/" else path.removeprefix("/")
        headers = {"Cache-Control": cache_control(name), **security_headers(elsewhere)}
        content = text if path == "/config.json" else self._files[path]
        return Response(content, media_type=media_type(name), headers=headers)

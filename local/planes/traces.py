"""Stores a local run's spans: an OTLP receiver on the runtime's port, and the file that it writes.

On AWS an agent's spans go to X-Ray's OTLP endpoint, ``/v1/traces``; here the runtime's server has that path. A line of
the file is one span: ``traceId``, ``spanId``, ``parentSpanId``, ``name``, ``start`` and ``end`` (seconds since 1970),
``error`` and ``attributes``. For each invocation a data plane adds a line with ``awsTraceId``: its own processing time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.planes.upstream import read_body

PATH = "/v1/traces"
CONTENT_TYPE = "application/x-protobuf"
"""A browser sends a CORS preflight before a request of this type, and that is refused."""

BODY_LIMIT_BYTES = 8 * 1024 * 1024
FILE_LIMIT_BYTES = 32 * 1024 * 1024


class TraceFile:
    """Appends spans as lines of JSON to a file for its owner only: spans hold prompts. A full file is emptied.

    Args:
        path: the file; None to store nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, *spans: dict[str, Any]) -> None:
        """Append spans. A file that cannot be written fails no request."""
        if self._path is None:
            return
        text = "".join(f"{json.dumps(span)}\n" for span in spans).encode()
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            file = os.open(self._path, flags, 0o600)
            try:
                if os.fstat(file).st_size > FILE_LIMIT_BYTES:
                    os.ftruncate(file, 0)
                os.write(file, text)
            finally:
                os.close(file)


def own_span(name: str, aws_trace_id: str | None, seconds: float) -> dict[str, Any]:
    """The span of a data plane's own processing, from the arrival of a request until now, when it is passed on."""
    now = time.time()
    return {"awsTraceId": aws_trace_id, "name": name, "start": now - seconds, "end": now}


class TraceReceiver:
    """Receives spans at ``/v1/traces``; the application behind it handles every other request."""

    def __init__(self, app: ASGIApp, file: TraceFile) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            with contextlib.suppress(ClientDisconnect):
                await (await self._receive(Request(scope, receive)))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _receive(self, request: Request) -> Response:
        if request.headers.get("content-type") != CONTENT_TYPE:
            return Response(status_code=415)
        try:
            body = await read_body(request, BODY_LIMIT_BYTES, TooLargeError())
            await asyncio.to_thread(self._store, body)
        except TooLargeError:
            return Response(status_code=413)
        except ValueError:
            return Response(status_code=400)
        return Response(media_type=CONTENT_TYPE)  # an empty ExportTraceServiceResponse: all spans were accepted

    def _store(self, body: bytes) -> None:
        from local.planes.otlp import spans_of  # noqa: PLC0415 - takes longer to import than the runtime takes to start

        self._file.write(*spans_of(body))


class TooLargeError(Exception):
    """An export is larger than the limit."""

"""The stage's access log: the declared format with real values, one line a request, written when its response ends.

Variables: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from starlette.types import Message, Send

from contract import Kind
from local.planes.gateway.responses import substitute
from local.program.graph import Graph


class Exchange:
    """One request and its response: collects the ``$context`` variables of its line in the access log."""

    def __init__(self, context: dict[str, str]) -> None:
        self.context = context
        self._started = time.monotonic()
        self._length = 0

    def elapsed(self) -> str:
        """Milliseconds since the request arrived, as the log writes them."""
        return str(round(self.seconds * 1000))

    @property
    def seconds(self) -> float:
        """The same in seconds, exactly."""
        return time.monotonic() - self._started

    def watching(self, send: Send) -> Send:
        """The same ``send``, recording the status and the length of the response."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.context["status"] = str(message["status"])
            elif message["type"] == "http.response.body":
                self._length += len(message.get("body", b""))
            await send(message)

        return watched

    def finish(self) -> Mapping[str, str]:
        """All variables, once the response has ended."""
        self.context["responseLength"] = str(self._length)
        self.context["responseLatency"] = self.elapsed()
        return self.context


class AccessLog:
    """Writes one line for each request; a log that cannot be written fails no request.

    Args:
        path: the file; None to write nothing.
        format_: the declared format; None where the stage declares no log.
    """

    def __init__(self, path: Path | None, format_: str | None) -> None:
        self._path = path
        self._format = format_

    def write(self, exchange: Exchange) -> None:
        """Write the line of a finished exchange."""
        if self._path is None or self._format is None:
            return
        if exchange.context.get("error.responseType") == "REQUEST_TOO_LARGE":
            return  # API Gateway logs no 413 of its own
        values = {name: _safe(value) for name, value in exchange.finish().items()}
        line = substitute(self._format, values)
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def declared_format(graph: Graph) -> str | None:
    """The format of the stage's access log; None when the stage declares none."""
    settings = graph.one(Kind.STAGE).inputs.get("accessLogSettings") or {}
    return settings.get("format")


def _safe(value: str) -> str:
    """A value without characters that would break the line or the JSON around it."""
    return "".join(character if character.isprintable() and character not in '"\\' else "?" for character in value)

"""The machine's own Chromium, driven by Playwright, behind a proxy that a test may cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from local import LOOPBACK

ARGUMENTS = (
    "--no-sandbox",  # as root in a container there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

HEAD_BYTES = 65_536


class CuttingProxy:
    """An HTTP proxy on loopback: every connection of the browser passes, until a test cuts those that are open.

    A connection carries one request. The cut is a reset, as when a network goes away.

    Args:
        source: the loopback address that the chain sees the requests come from.
    """

    def __init__(self, source: str = LOOPBACK) -> None:
        self._source = source
        self._listener = socket.create_server((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self.away = False
        self._open: dict[socket.socket, str] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and cut what is open."""
        self._listener.close()
        self.cut("")

    def cut(self, path: str, *, away: bool = False) -> int:
        """Break the open connections whose request is for this path, the empty one being any.

        Args:
            path: the end of the request's path.
            away: refuse new connections too, until `back`.

        Returns:
            How many were broken.
        """
        with self._changed:
            self.away = away
            cut = [one for one, asked in self._open.items() if asked.endswith(path)]
        for one in cut:
            # Closing with unsent data thrown away is a reset (SO_LINGER of zero, socket(7)).
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with suppress(OSError):
                one.shutdown(socket.SHUT_RD)
            one.close()
        return len(cut)

    def back(self) -> None:
        """Take connections again."""
        self.away = False

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with suppress(OSError, ValueError), browser:
            head, rest = _read_head(browser)
            line, _, fields = head.partition(b"\r\n")
            method, address, version = line.decode("latin-1").split(" ")
            target = urlsplit(address)
            path = target.path + (f"?{target.query}" if target.query else "")
            if self.away:
                return
            kept = [one for one in fields.split(b"\r\n") if not one.lower().startswith((b"connection:", b"proxy-"))]
            there = (target.hostname or "", target.port or 80)
            with socket.create_connection(there, source_address=(self._source, 0)) as server:
                self._enter(browser, target.path, f"{method} {path}")
                server.sendall(
                    f"{method} {path} {version}\r\n".encode()
                    + b"\r\n".join([*kept, b"connection: close", b"", b""])
                    + rest
                )
                upward = threading.Thread(target=_pump, args=(browser, server), daemon=True)
                upward.start()
                _pump(server, browser)
        with self._changed:
            self._open.pop(browser, None)

    def _enter(self, browser: socket.socket, path: str, asked: str) -> None:
        with self._changed:
            self.requests.append(asked)
            self._open[browser] = path


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(HEAD_BYTES)
        if not chunk or len(data) > HEAD_BYTES:
            raise ValueError("no request")
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(HEAD_BYTES):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

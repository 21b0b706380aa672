"""A way to an address on which the first connections break after so many bytes of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def cutting(port: int, cuts: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """The proxy's port, and how many bytes of an answer each connection has let through so far."""
    ready, let_through, left = threading.Event(), list[int](), list(cuts)
    ports: list[int] = []
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None, mine: int) -> None:
        while data := await reader.read(4096):
            if mine >= 0:
                let_through[mine] += len(data)
            writer.write(data)
            await writer.drain()
            if most is not None and let_through[mine] >= most:
                return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        let_through.append(0)
        mine, most = len(let_through) - 1, left.pop(0) if left else None
        theirs, to_them = await asyncio.open_connection("127.0.0.1", port)
        asked = asyncio.create_task(pass_on(reader, to_them, None, -1))
        try:
            await pass_on(theirs, writer, most, mine)
        except ConnectionError:
            pass
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            for one in (writer, to_them):
                one.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await one.wait_closed()

    async def run() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0], let_through
    finally:
        loop, stop = stops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)

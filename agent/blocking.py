"""Finds the call that stalls every stream: a synchronous wait on the event loop.

With AGENT_DETECT_BLOCKING, `time.sleep`, a blocking socket (`requests`, boto3) or `sqlite3` on the loop
raises `blockbuster.BlockingError` in the code that made it, and the log gets a line that names the file and
line and says what to write instead. For development: blockbuster is no part of the deployment package,
and detection stays off where it is missing.
"""

from __future__ import annotations

import importlib.util
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

__all__ = ["blocking_line", "detection"]

# File access is left alone: it is short, and libraries read their data files in the oddest places.
_WATCHED = ("time.sleep", "socket.", "ssl.", "sqlite3.", "builtins.input")
_INSTEAD = {
    "time.sleep": "await asyncio.sleep(...)",
    "socket": "an asynchronous client such as httpx.AsyncClient, or await asyncio.to_thread(...)",
    "ssl": "an asynchronous client such as httpx.AsyncClient, or await asyncio.to_thread(...)",
}
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


def detection(*, wanted: bool) -> AbstractContextManager[None]:
    """Return a context in which blocking calls on an event loop raise."""
    if not wanted or importlib.util.find_spec("blockbuster") is None:
        return nullcontext()
    return _Detection()


class _Detection(AbstractContextManager[None]):
    def __enter__(self) -> None:
        from blockbuster import BlockBuster  # noqa: PLC0415 - a development dependency

        functions = BlockBuster().functions
        watched = [function for name, function in functions.items() if name.startswith(_WATCHED)]
        self._undo: list[Callable[[], object]] = [function.activate().deactivate for function in watched]

    def __exit__(self, *_: object) -> None:
        for undo in self._undo:
            undo()


def blocking_line(error: BaseException | None) -> dict[str, Any] | None:
    """Return the log line about a blocking call that caused `error`, None when none did."""
    while error is not None and type(error).__name__ != "BlockingError":
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__
    if error is None:
        return None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_absolute()]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    where = (own or frames)[-1]
    call = str(error).removeprefix("Blocking call to ")
    instead = _INSTEAD.get(call) or _INSTEAD.get(call.partition(".")[0], "await asyncio.to_thread(...)")
    return {
        "message": f"{call} at {where.filename}:{where.lineno} blocks every stream; use {instead}",
        "level": "ERROR",
        "call": call,
        "file": where.filename,
        "line": where.lineno,
        "instead": instead,
    }

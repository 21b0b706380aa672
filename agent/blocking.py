"""Detects blocking calls on the event loop, which stall every stream.

With AGENT_DETECT_BLOCKING, `time.sleep`, a blocking socket (`requests`, boto3), `sqlite3`, `subprocess.run` or a wait
for a thread (a lock, a queue, a future's result, a synchronous call of an agent) on the loop raises
`blockbuster.BlockingError` at the call. A log line names the file and the line and says what to write instead; it is
written before the exception is raised, so that it exists even when the agent catches the error. For development only:
blockbuster is not in the deployment package, and where it is missing the log says so.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from agent.telemetry import log_line

if TYPE_CHECKING:
    from blockbuster import BlockBusterFunction

__all__ = ["detection"]

# File access is not checked: it is short, and libraries read their data files at unexpected times.
_WATCHED = ("time.sleep", "socket.", "ssl.", "sqlite3.", "threading.Lock.", "builtins.input")
# Not covered by blockbuster: they wait in C, without calling any of the functions that it patches.
_ALSO = ("subprocess.Popen.wait", "subprocess.Popen.communicate", "os.system")
_INSTEAD = {
    "time": "await asyncio.sleep(...)",
    "socket": "an asynchronous client such as httpx.AsyncClient, or await asyncio.to_thread(...)",
    "ssl": "an asynchronous client such as httpx.AsyncClient, or await asyncio.to_thread(...)",
    "subprocess": "await asyncio.create_subprocess_exec(...)",
    "os": "await asyncio.create_subprocess_exec(...)",
    "lock": "the asynchronous form of the call, or await asyncio.to_thread(...)",
    "threading": "the asynchronous form of the call, or await asyncio.to_thread(...)",
}
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


def detection(*, wanted: bool) -> AbstractContextManager[None]:
    """Return a context manager in which blocking calls raise; to be entered on the event loop that it checks."""
    if not wanted:
        return nullcontext()
    if importlib.util.find_spec("blockbuster") is None:
        missing = "AGENT_DETECT_BLOCKING is on, but blockbuster is not installed: run pip install blockbuster"
        log_line({"message": missing, "level": "WARNING"})
        return nullcontext()
    return _Detection()


class _Detection(AbstractContextManager[None]):
    def __enter__(self) -> None:
        from blockbuster import BlockBuster, BlockBusterFunction, blockbuster  # noqa: PLC0415 - for development only

        class BlockingError(blockbuster.BlockingError):
            """Writes a log line whenever blockbuster raises it."""

            def __init__(self, call: str) -> None:
                super().__init__(call)
                log_line(_line(call, sys._getframe(1)))

        original = blockbuster.BlockingError
        # blockbuster's functions look the class up under this name when they raise.
        blockbuster.BlockingError = BlockingError  # type: ignore[misc, assignment] # see above
        watched = [function for name, function in BlockBuster().functions.items() if name.startswith(_WATCHED)]
        watched += [BlockBusterFunction(None, name) for name in _ALSO]
        # It waits in C too, since Python 3.13, which the deployed agent runs on.
        watched.append(BlockBusterFunction(None, "threading.Thread.join", can_block_predicate=_returns_at_once))
        watched += [named for function in watched for named in _imported_by_name(function)]
        for function in watched:
            function.can_block_predicate = _or_on_another_loop(function.can_block_predicate)
        self._undo: list[Callable[[], object]] = [function.activate().deactivate for function in watched]
        self._undo.append(partial(setattr, blockbuster, "BlockingError", original))

    def __exit__(self, *_: object) -> None:
        for undo in self._undo:
            undo()


def _returns_at_once(thread: threading.Thread, timeout: float | None = None) -> bool:
    """Whether `thread.join(timeout)` does not wait."""
    return timeout == 0 or not thread.is_alive()


def _imported_by_name(function: BlockBusterFunction) -> Iterator[BlockBusterFunction]:
    """Yield the names under which the agent's modules imported a function: `from time import sleep` makes a copy."""
    if not isinstance(function.module, ModuleType) or function.original_func is None:
        return
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file or file.startswith(_LIBRARIES):
            continue
        for name, value in tuple(vars(module).items()):
            if value is function.original_func:
                named = type(function)(module, name)
                named.full_name = function.full_name
                yield named


def _or_on_another_loop(harmless: Callable[..., bool]) -> Callable[..., bool]:
    """Return a predicate that allows calls that are `harmless` or on another loop, such as a client's in a thread."""
    served = asyncio.get_running_loop()
    return lambda *args, **kwargs: asyncio.get_running_loop() is not served or harmless(*args, **kwargs)


def _line(call: str, frame: FrameType) -> dict[str, Any]:
    """Return the log line for a blocking `call`; the caller is looked for in the stack above `frame`."""
    stack = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_stack(frame)]
    own = [(file, line) for file, line in stack if Path(file).is_absolute() and not file.startswith(_LIBRARIES)]
    file, line = (own or stack)[0]
    instead = _INSTEAD.get(call.partition(".")[0], "await asyncio.to_thread(...)")
    return {
        "message": f"{call} at {file}:{line} blocks every stream; use {instead}",
        "level": "ERROR",
        "call": call,
        "file": file,
        "line": line,
        "instead": instead,
    }

"""Reads the user's lines, with a line history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from client.errors import SignInError
from client.private_file import NotPrivateError, check_folder, read_private
from client.store import state_folder
from client.terminal import note


def lines(*, interactive: bool) -> Iterator[str]:
    """Yield the lines from the terminal or a pipe, without empty ones."""
    while True:
        try:
            line = input("> " if interactive else "").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            note("\nCtrl-D ends the chat.")
            continue
        if line:
            yield line


@contextlib.contextmanager
def line_history(*, enabled: bool) -> Iterator[None]:
    """Let the arrow keys recall earlier questions, also those of earlier chats."""
    try:
        import readline  # noqa: PLC0415 - not available on every platform; `input` uses it when it is loaded
    except ImportError:
        enabled = False
    if not enabled:
        yield
        return
    try:
        path = state_folder() / "history"
        check_folder(path.parent)
        read_private(path)
    except FileNotFoundError:
        pass
    except (SignInError, NotPrivateError, OSError, UnicodeDecodeError):  # no place for it, or not a private file
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)
    before = readline.get_current_history_length()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # create it privately before questions are written to it
            # Append, so that lines of another chat that ended in the meantime are kept.
            readline.append_history_file(readline.get_current_history_length() - before, path)

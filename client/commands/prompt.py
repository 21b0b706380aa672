"""The lines that a user types, and what is remembered of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from client.errors import SignInError
from client.private_file import NotPrivateError, check_folder, read_private
from client.store import state_folder
from client.terminal import note


def lines(*, interactive: bool) -> Iterator[str]:
    """The lines that the user types, or that come out of a pipe."""
    while True:
        try:
            line = input("> " if interactive else "").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            note("\nCtrl-D ends.")
            continue
        if line:
            yield line


@contextlib.contextmanager
def line_history(*, enabled: bool) -> Iterator[None]:
    """Arrow keys bring back what was asked before, in this talk and earlier ones."""
    try:
        import readline  # noqa: PLC0415 - not there on every platform; where it is, `input` uses it
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
    except (SignInError, NotPrivateError, OSError, UnicodeDecodeError):  # nowhere to remember it, or not ours
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
            path.touch(mode=0o600)  # before the first line is in it: questions are nobody else's business
            # Appended: another talk may have ended meanwhile, and what was asked there is kept too.
            readline.append_history_file(readline.get_current_history_length() - before, path)

"""Reads private files safely: only regular files that belong to this user and that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotPrivateError(Exception):
    """A file cannot be trusted; the text says why, and follows its name in a message."""


def read_private(path: Path) -> str:
    """Return the text of a private file. Follows no symbolic link, and does not block on a named pipe.

    Raises:
        NotPrivateError: when it is not a regular file, belongs to another user, or can be read by others.
        OSError, UnicodeDecodeError: when it cannot be read.
    """
    if path.is_symlink():
        raise NotPrivateError("is a symbolic link")
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, encoding="utf-8") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivateError("is not a regular file")
        if status.st_uid != os.geteuid():
            raise NotPrivateError("belongs to another user")
        if status.st_mode & 0o077:
            raise NotPrivateError("can be read by others")
        return opened.read()


def check_folder(path: Path) -> None:
    """Check that no other user can create or remove files in a folder.

    Raises:
        NotPrivateError: when another user can.
        OSError: when its status cannot be read.
    """
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise NotPrivateError("belongs to another user")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise NotPrivateError("can be written to by others")

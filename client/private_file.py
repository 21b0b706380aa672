"""Files that are nobody else's business: opened only if they are what we left there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotPrivateError(Exception):
    """A file cannot be trusted; the text says why, to follow its name."""


def read_private(path: Path) -> str:
    """The text of a file of this user's alone.

    Nothing is read through a symbolic link, and nothing waits for whoever might write into a pipe.

    Raises:
        NotPrivateError: when it is another kind of file, another user's, or one that others can read.
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
    """Whether nobody else can put files into a folder, or take them out.

    Raises:
        NotPrivateError: when somebody can.
        OSError: when it cannot be looked at.
    """
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise NotPrivateError("belongs to another user")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise NotPrivateError("can be written to by others")

"""Makes an animated PNG (APNG) from PNGs (https://www.w3.org/TR/png-3/#apng-frame-based-animation).

Each frame is a PNG, and may cover only a part of the picture, so that unchanged parts are stored once.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Frame(NamedTuple):
    """A PNG, the position of its upper left corner in the picture, and how long it is shown, in milliseconds."""

    png: bytes
    x: int
    y: int
    milliseconds: int


def moving(frames: Sequence[Frame]) -> bytes:
    """The frames as one animation that repeats for ever; the first frame covers the whole picture.

    Raises:
        ValueError: when two frames differ in their kind of pixels.
    """
    header, _ = _read(frames[0].png)
    picture = [SIGNATURE, _chunk(b"IHDR", header), _chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for frame in frames:
        its, pixels = _read(frame.png)
        if its[8:] != header[8:]:  # after width and height: bit depth, colour type, and how it is packed
            raise ValueError("All frames must have the same kind of pixels.")
        size = struct.unpack(">II", its[:8])
        control = struct.pack(">IIIIIHHBB", number, *size, frame.x, frame.y, frame.milliseconds, 1000, 0, 0)
        picture.append(_chunk(b"fcTL", control))
        if number == 0:
            picture.append(_chunk(b"IDAT", pixels))
            number = 1
        else:
            picture.append(_chunk(b"fdAT", struct.pack(">I", number + 1) + pixels))
            number += 2
    return b"".join((*picture, _chunk(b"IEND", b"")))


def _read(png: bytes) -> tuple[bytes, bytes]:
    """A PNG's header, and its pixels compressed at zlib's highest level."""
    chunks = list(_chunks(png))
    pixels = b"".join(data for kind, data in chunks if kind == b"IDAT")
    return next(data for kind, data in chunks if kind == b"IHDR"), zlib.compress(zlib.decompress(pixels), 9)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

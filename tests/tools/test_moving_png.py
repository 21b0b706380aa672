"""The moving picture is one that a browser's own decoder takes, frame by frame."""

from __future__ import annotations

import struct
import zlib

import pytest

from tools.moving_png import SIGNATURE, Frame, moving


def png(width: int, height: int, colour: bytes, kind: int = 2) -> bytes:
    """A PNG of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + colour * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(SIGNATURE)
    while at < len(picture):
        length, name = struct.unpack_from(">I4s", picture, at)
        data = picture[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", picture, at + 8 + length) == (zlib.crc32(name + data),)
        found.append((name, data))
        at += 12 + length
    return found


def test_a_part_is_a_frame_at_its_place_and_the_sequence_has_no_gap() -> None:
    whole, part = png(4, 3, b"\1\2\3"), png(2, 1, b"\4\5\6")
    found = chunks(moving([Frame(whole, 0, 0, 100), Frame(part, 1, 2, 250), Frame(part, 0, 0, 50)]))
    assert [name for name, _ in found] == [
        b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"fcTL", b"fdAT", b"IEND",
    ]  # fmt: skip
    assert struct.unpack(">II", found[1][1]) == (3, 0)
    numbers = [struct.unpack_from(">I", data)[0] for name, data in found if name in (b"fcTL", b"fdAT")]
    assert numbers == list(range(5))
    assert struct.unpack(">IIIIIHHBB", found[4][1])[1:] == (2, 1, 1, 2, 250, 1000, 0, 0)
    assert zlib.decompress(found[5][1][4:]) == b"\0" + b"\4\5\6" * 2


def test_frames_of_another_kind_of_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="same kind"):
        moving([Frame(png(1, 1, b"\0\0\0"), 0, 0, 1), Frame(png(1, 1, b"\0\0\0\0", kind=6), 0, 0, 1)])

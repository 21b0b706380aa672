"""The moving picture: every word of the recording, at its moment, and nothing that runs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tools.moving_picture import COLUMNS, PICTURE, STEP_SECONDS, Word, draw, lines_of, words_of

SVG = "{http://www.w3.org/2000/svg}"


def test_words_are_whole_and_come_with_their_last_piece() -> None:
    assert words_of([(0.1, "Wo"), (0.2, "rds co"), (0.9, "me")]) == [Word("Words", 0.2), Word("come", 0.9)]


def test_no_line_is_longer_than_the_picture_is_wide() -> None:
    words = [Word("word" * (number % 5 + 1), number) for number in range(60)]
    lines = lines_of(words)
    assert [word for line in lines for word in line] == words
    assert max(len(" ".join(word.text for word in line)) for line in lines) <= COLUMNS


def test_each_word_appears_when_it_arrived() -> None:
    picture = draw([("STREAM", [Word("first", 0.5), Word("<last>", 2.0)]), ("BUFFERED", [Word("both", 2.0)])])
    shown = {each.text: each.get("class") for each in ElementTree.fromstring(picture).iter(f"{SVG}tspan")}  # noqa: S314 - our own
    assert shown == {"first ": "k5", "<last> ": "k20", "both ": "k20"}
    frames = dict(re.findall(r"@keyframes k(\d+)\{0%\{fill-opacity:0\}([\d.]+)%", picture))
    whole = 2.0 + 2.5
    for step, percent in frames.items():
        assert abs(float(percent) - 100 * int(step) * STEP_SECONDS / whole) < 0.1


def test_the_picture_that_is_shown_is_small_streams_and_runs_nothing() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert len(picture) < 20_000
    assert not re.search(r"<script|\bon\w+=|href=|url\(", picture)
    streamed, held = picture.split("BUFFERED</text>")
    assert len(set(re.findall(r'class="(k\d+)"', streamed))) > 10
    assert len(set(re.findall(r'class="(k\d+)"', held))) == 1

"""The logs of a local run: read as they grow, and what of the agent's is told to whoever watches."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from local import ROOT
from local.processes.logs import Line, Logs, last_error, warning_or_error
from local.run.demo import Lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str, mode: str = "a") -> None:
    with (folder / "logs" / name).open(mode) as file:
        file.write(text)


class TestReading:
    def test_whole_lines_come_once_and_a_half_one_waits(self, folder: Path) -> None:
        logs = Logs(folder, ["agent"])
        write(folder, "agent.log", "one\ntw")
        assert [*logs.new()] == [Line("agent", "one")]
        assert [*logs.new()] == []
        write(folder, "agent.log", "o\nthree\n")
        assert [line.text for line in logs.new()] == ["two", "three"]

    def test_a_file_that_begins_anew_is_read_anew(self, folder: Path) -> None:
        logs = Logs(folder, ["gateway"])
        write(folder, "gateway.log", "a long first line\n")
        assert len([*logs.new()]) == 1
        write(folder, "gateway.log", "new\n", mode="w")
        assert [line.text for line in logs.new()] == ["new"]

    def test_agents_of_sessions_of_their_own_are_all_read(self, folder: Path) -> None:
        for name in ("agent-1.log", "agent-2.log", "access.log"):
            write(folder, name, f"{name}\n")
        assert [line.log for line in Logs(folder, ["agent"]).new()] == ["agent-1", "agent-2"]

    def test_what_was_there_can_be_left_out(self, folder: Path) -> None:
        write(folder, "agent.log", "old\n")
        logs = Logs(folder, ["agent"], from_now=True)
        write(folder, "agent.log", "new\n")
        assert [line.text for line in logs.new()] == ["new"]


class TestNews:
    def test_an_error_is_told_with_the_place_in_ones_own_sources(self) -> None:
        own = str(ROOT / "agent" / "agent.py")
        try:
            exec(compile("def build():\n    raise ValueError('no city')\nbuild()", own, "exec"), {})  # noqa: S102
        except ValueError:
            trace = traceback.format_exc()
        told = warning_or_error(Line("agent", json.dumps({"level": "ERROR", "stackTrace": trace, "reference": "abc"})))
        assert told == "agent: ValueError: no city (agent/agent.py, line 2) [reference abc]"

    def test_a_blocking_call_is_told_as_the_agent_words_it(self) -> None:
        said = "time.sleep at /x/agent.py:7 blocks every stream; use await asyncio.sleep(...)"
        assert warning_or_error(Line("agent", json.dumps({"level": "ERROR", "message": said}))) == f"agent: {said}"

    @pytest.mark.parametrize("text", ["not JSON", "[]", json.dumps({"level": "INFO", "message": "run"})])
    def test_nothing_else_is(self, text: str) -> None:
        assert warning_or_error(Line("agent", text)) is None

    def test_a_syntax_error_has_its_file_and_line(self) -> None:
        own = str(ROOT / "agent" / "agent.py")
        try:
            compile("x = 1\ndef build(:\n", own, "exec")
        except SyntaxError:
            said = last_error(traceback.format_exc().splitlines())
        assert said.startswith("SyntaxError: ")
        assert said.endswith("(agent/agent.py, line 2)")

    def test_last_words_that_are_no_traceback_stay_as_they_are(self) -> None:
        assert (
            last_error(["AGENT_MODEL is not set: set it to scripted."]) == "AGENT_MODEL is not set: set it to scripted."
        )
        assert last_error([]) == ""


@pytest.mark.parametrize("width", [12, 40, 80])
def test_words_that_arrive_in_pieces_are_shown_whole(width: int) -> None:
    text = "Why do words that stream feel faster? Because a reader begins at once.\nA second line."
    shown: list[str] = []
    lines = Lines(width, shown.append)
    for start in range(0, len(text), 3):
        lines.add(text[start : start + 3])
    lines.end()
    printed = "".join(shown)
    assert printed.split() == text.split()
    assert all(len(line) <= width for line in printed.split("\n"))

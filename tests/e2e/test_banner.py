"""What a chain says of itself once it is up: every option that makes it another is named, to people and to programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT
from local.run.banner import describe_options
from local.run.misconfigurations import MISCONFIGURATIONS
from local.run.options import Options
from tests.e2e.conftest import PATIENCE, RunningChain

DOWN = ".venv/bin/python -m local down"

GIVEN = {"--break": "buffered", "--time-scale": "60", "--sessions": "2", "--hang-up": "passed"}


def status(folder: Path, *more: str) -> str:
    argv = [sys.executable, "-m", "local", "status", "--folder", str(folder), *more]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


def test_the_banner_and_the_status_name_every_option_in_force(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path, *(part for pair in GIVEN.items() for part in pair))
    try:
        chain.wait_until_up()
        assert chain.process.stdout is not None
        banner = "".join(iter(chain.process.stdout.readline, f"  stop        Ctrl-C, or {DOWN} --folder {tmp_path}\n"))
        shown = status(tmp_path)
        as_json = json.loads(status(tmp_path, "--json"))
    finally:
        chain.end()
    for option, value in GIVEN.items():
        assert f"{option} {value} (" in banner
        assert all(len(line) <= 80 for line in banner.splitlines() if option in line)
        assert f"{option} {value} (" in shown
    assert {**as_json["options"], **GIVEN} == as_json["options"]


def test_with_json_a_chain_that_is_up_is_one_line_for_a_program(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path, "--json")
    try:
        chain.wait_until_up()
        assert chain.process.stdout is not None
        line = json.loads(chain.process.stdout.readline())
        assert line == {**json.loads(status(tmp_path, "--json")), **line}
        assert json.loads(Path(line["outputs"]).read_text())["invokeUrl"]
    finally:
        rest, _ = chain.end()
    assert (line["state"], line["options"]["--hang-up"], rest) == ("up", "lost", "")


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (Options(broken=MISCONFIGURATIONS["buffered"]), "--break buffered (broken on purpose)"),
        (Options(time_scale=60), "--time-scale 60 (of AWS's time limits)"),
        (Options(sessions=3), "--sessions 3 (agents, one a session)"),
        (Options(hang_up="passed"), "--hang-up passed (the agent is notified)"),
    ],
    ids=["break", "time scale", "sessions", "hang-up"],
)
def test_an_option_that_is_given_is_told_with_what_it_means_and_no_other(options: Options, option: str) -> None:
    lost = "--hang-up lost (the agent is not notified)"
    said = describe_options({name: value for name, value in options.in_force.items() if name != "--agent"})
    assert said == (option if "--hang-up" in option else f"{option}\n{lost}")

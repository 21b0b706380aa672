"""The soak in short: what must hold under load and under every fault holds here too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local import ROOT


@pytest.mark.whole
def test_every_stream_is_whole_while_everything_else_goes_wrong() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.soak",
            "--streams",
            "20",
            "--seconds",
            "2",
            "--others",
            "5",
            "--beside",
            "3",
            "--together",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " NO " not in done.stdout

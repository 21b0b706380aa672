"""The command line of the local run, in the process of the tests: the program is evaluated where Pulumi is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from local.run.commands import main

Run = Callable[..., tuple[object, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `python -m local` with some arguments; its exit code, and its standard output with that of its children."""

    def run(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["local", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capfd.readouterr().out

    return run

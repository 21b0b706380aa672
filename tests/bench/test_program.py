"""A figure beside a program that is not the project's says why it is missing where that program is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import preview, program, synth
from bench.figures import Absent, Figure


def once(_what: str) -> range:
    return range(1)


def test_without_cdk_every_figure_beside_it_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    pins.mkdir()
    for name in synth.PINS:
        (pins / name).write_text("aws-cdk-lib==2.275.0 --hash=sha256:" + "0" * 64, encoding="utf-8")
    monkeypatch.setattr(synth, "APP", pins)
    monkeypatch.setattr(synth, "BUILDS", tmp_path / "builds")
    monkeypatch.setenv("UV_OFFLINE", "1")
    rows = program.beside_synth(tmp_path, once)
    assert len(rows) == 3
    assert all(isinstance(row, Absent) and "uv" in row.why and "aws-cdk-lib" in row.why for row in rows)
    assert not synth.cdk_folder().exists(), "half an installation is none"


def test_without_an_engine_the_preview_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preview, "engine_root", lambda: None)
    monkeypatch.setattr(program, "local_seconds", lambda *_arguments: 1.0)  # what they take is not the question here
    monkeypatch.setattr(program, "synth_seconds", lambda _folder: 1.0)
    graph, absent = program.evaluated(tmp_path, once)
    assert isinstance(graph, Figure)
    assert isinstance(absent, Absent)
    assert "make engine" in absent.why

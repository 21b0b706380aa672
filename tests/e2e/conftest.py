"""The whole chain, in processes of its own, brought up once for all tests that leave it as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest

from client.account import demo_user
from client.outputs import Outputs, read_outputs
from client.signin import Tokens
from local import LOOPBACK, ROOT
from local.processes.folder_lock import read_state
from local.processes.ports import any_port, is_free
from local.program.graph import Graph

PATIENCE = 60.0
"""Seconds after which a process that should be up, or gone, never will be; no test waits this long when all is well."""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


class RunningChain:
    """A chain brought up by ``python -m local up``."""

    def __init__(
        self, folder: Path, *arguments: str, project: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "up", "--folder", str(folder), *arguments],
            cwd=project,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_up(self) -> None:
        until(
            lambda: self.process.poll() is not None or (read_state(self.folder) or {}).get("processes") is not None,
            "the chain comes up",
        )
        assert self.process.poll() is None, self.process.communicate()

    def wait_until_starting(self) -> None:
        until(lambda: self.process.poll() is not None or read_state(self.folder) is not None, "the folder is claimed")
        assert self.process.poll() is None, self.process.communicate()

    def complains(self, *words: str) -> str:
        """The next line on standard error that has one of these words."""
        return _line(self.process.stderr, words)

    def says(self, *words: str) -> str:
        """The next line on standard output that has one of these words."""
        return _line(self.process.stdout, words)

    @property
    def outputs(self) -> Outputs:
        return read_outputs(self.folder / "outputs.json")

    @property
    def graph(self) -> Graph:
        return Graph.from_json((self.folder / "gateway-graph.json").read_text())

    @property
    def children(self) -> dict[str, int]:
        state = read_state(self.folder)
        assert state is not None
        return dict(state["processes"])

    def end(self) -> tuple[str, str]:
        """Stop it if it still runs; what it printed."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE)


def _line(stream: IO[str] | None, words: tuple[str, ...]) -> str:
    assert stream is not None
    for line in stream:
        if any(word in line for word in words):
            return line
    raise AssertionError(f"it ended without a word of {' or '.join(words)}")


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """The dev stack's chain."""
    running = RunningChain(tmp_path_factory.mktemp("chain"))
    try:
        running.wait_until_up()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def tokens(chain: RunningChain) -> Tokens:
    """The demo user's tokens."""
    return demo_user(chain.outputs)


class Gateways:
    """Serves changed graphs from gateways of their own before a chain's runtime."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def serve(self, chain: RunningChain, graph: Graph, *arguments: str) -> str:
        """Start a gateway; its invoke URL."""
        port = any_port()
        path = self._folder / f"graph-{port}.json"
        path.write_text(graph.to_json())
        state = read_state(chain.folder)
        assert state is not None
        argv = [sys.executable, "-m", "local.planes.gateway", "--graph", str(path), "--port", str(port), *arguments]
        for host, part in (("cognito-idp", "emulator"), ("bedrock-agentcore", "runtime")):
            argv += ["--address", f"{host}.{graph.region}.amazonaws.com=http://{LOOPBACK}:{state['ports'][part]}"]
        self._started.append(subprocess.Popen(argv, cwd=ROOT))
        until(lambda: not is_free(port), "the second gateway listens")
        return f"http://{LOOPBACK}:{port}/{graph.outputs['stageName']}/invocations"

    def end(self) -> None:
        """Stop them all."""
        for process in self._started:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    """Gateways for one test."""
    gateways = Gateways(tmp_path)
    try:
        yield gateways
    finally:
        gateways.end()


@pytest.fixture
def gateway_for(chain: RunningChain, gateways: Gateways) -> Callable[[Graph], str]:
    """Serves a changed graph from a second gateway before the same runtime; returns its invoke URL."""
    return lambda graph: gateways.serve(chain, graph)

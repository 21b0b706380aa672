"""A saved file restarts what it affects; what cannot be brought up leaves the old one up, and users stay signed in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from client.signin import sign_in
from local import ROOT
from local.program.graph import ProgramError
from local.run.chain import Chain
from local.run.watch import affected, watch
from tests import loopback
from tests.e2e.conftest import PATIENCE, RunningChain, until
from tests.e2e.project import copy_project

SECOND_STAGE = """
import pulumi_aws

pulumi_aws.apigateway.Stage("second", rest_api="api", deployment="deployment", stage_name="second")
"""
"""A stage more than the gateway can serve."""

EXPORT = "    login_url=identity.login_url,\n"


class Watched(RunningChain):
    """A chain over a copy of the project, with a user who signed in before anything was edited."""

    def __init__(self, project: Path, folder: Path) -> None:
        super().__init__(folder, "--watch", project=project)
        self.project = project

    def sign_in(self) -> None:
        outputs = self.outputs
        assert outputs.demo_username
        assert outputs.demo_password
        self._token = sign_in(outputs, outputs.demo_username, outputs.demo_password.get_secret_value()).id
        self.user_pool_id = outputs.user_pool_id

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.project / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def append(self, name: str, text: str) -> None:
        with (self.project / name).open("a") as file:
            file.write(text)

    def answer(self) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        body = {"prompt": "Hi [words=2 pause=0]"}
        return loopback.post(self.outputs.invoke_url, headers=headers, json=body, timeout=30)

    @property
    def origin(self) -> str:
        return loopback.options(self.outputs.invoke_url).headers["access-control-allow-origin"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    chain = Watched(copy_project(folder / "project"), folder / "chain")
    try:
        chain.wait_until_up()
        chain.sign_in()
        yield chain
    finally:
        chain.end()


@pytest.fixture(autouse=True)
def _still_signed_in(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test leaves a chain that is whole, with the same user pool, and the first token good."""
    yield
    if "watched" in request.fixturenames:
        chain = request.getfixturevalue("watched")
        assert chain.process.poll() is None
        assert chain.children.keys() == {"emulator", "agent", "runtime", "gateway"}
        assert chain.answer().status_code == 200
        assert chain.outputs.user_pool_id == chain.user_pool_id


def test_a_changed_setting_restarts_what_goes_by_it(watched: Watched) -> None:
    before = watched.children
    watched.edit("Pulumi.dev.yaml", "http://localhost:5173", "https://watched.example")
    assert "runtime, gateway in" in watched.says("Restarted")
    assert watched.origin == "https://watched.example"
    until(lambda: watched.children["gateway"] != before["gateway"], "the new process is written down")
    assert watched.children["emulator"] == before["emulator"]


def test_an_agent_that_cannot_be_loaded_leaves_the_one_that_is_up(watched: Watched) -> None:
    before = watched.children
    watched.append("agent/agent.py", "\ndef (:\n")
    complaint = watched.complains("The agent")
    assert "SyntaxError" in complaint
    assert "What was up stays up." in complaint
    assert watched.children == before
    assert watched.answer().status_code == 200

    watched.edit("agent/agent.py", "\ndef (:\n", "\n# mended\n")
    assert "Restarted agent in" in watched.says("Restarted")
    until(lambda: watched.children["agent"] != before["agent"], "the new process is written down")
    assert {**watched.children, "agent": 0} == {**before, "agent": 0}


def test_a_log_is_gone_on_with_after_a_reload(watched: Watched) -> None:
    log = watched.folder / "logs" / "agent.log"
    assert watched.answer().status_code == 200
    until(lambda: '"message": "run"' in log.read_text(), "the run is written down")
    before = log.read_text()
    watched.append("agent/agent.py", "\n# edited\n")
    watched.says("Restarted agent")
    assert watched.answer().status_code == 200
    until(lambda: '"message": "run"' in log.read_text().removeprefix(before), "the next run is written down")
    assert log.read_text().startswith(before)


def test_an_agent_that_was_reloaded_sends_its_spans(watched: Watched) -> None:
    file = watched.folder / "traces.jsonl"
    watched.append("agent/agent.py", "\n# edited again\n")
    watched.says("Restarted agent")
    before = file.read_text().count('"run.id"') if file.exists() else 0
    assert watched.answer().status_code == 200
    until(lambda: file.read_text().count('"run.id"') > before, "the run's span is kept")


def test_an_agent_that_loads_and_does_not_start_is_back_once_it_is_mended(watched: Watched) -> None:
    watched.edit("agent/__main__.py", "    main()\n", "    raise SystemExit('not today')\n")
    assert "agent will start again" in watched.complains("not today")
    assert watched.process.poll() is None
    watched.edit("agent/__main__.py", "    raise SystemExit('not today')\n", "    main()\n")
    watched.says("Restarted agent")
    until(lambda: "agent" in watched.children, "the new process is written down")


def test_a_program_that_cannot_be_served_leaves_the_one_before(watched: Watched) -> None:
    before, origin = watched.children, watched.origin
    watched.edit("Pulumi.dev.yaml", "config:\n", "config: [\n")
    assert "What was up stays up." in watched.complains("cannot be read")

    watched.edit("__main__.py", EXPORT, "")
    watched.edit("Pulumi.dev.yaml", "config: [\n", "config:\n")
    assert "What was up stays up." in watched.complains("does not export loginUrl")
    assert watched.children == before

    watched.append("__main__.py", SECOND_STAGE)
    watched.edit("__main__.py", "export(\n", f"export(\n{EXPORT}")
    assert "What was up stays up." in watched.complains("The gateway")
    assert watched.origin == origin
    assert watched.answer().status_code == 200

    watched.edit("__main__.py", SECOND_STAGE, "")
    watched.says("Restarted", "nothing was restarted")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("agent/agent.py", {"agent"}),
        ("infra/api.py", {"graph"}),
        ("__main__.py", {"graph"}),
        ("Pulumi.dev.yaml", {"graph"}),
        ("agent/notes.md", set()),
    ],
)
def test_a_file_restarts_what_it_affects(name: str, what: set[str]) -> None:
    assert affected({ROOT / name}) == what


def test_files_of_both_kinds_restart_both() -> None:
    assert affected({ROOT / "agent/agent.py", ROOT / "infra/api.py"}) == {"agent", "graph"}


def test_a_process_stands_ready_for_modules_that_python_calls_otherwise() -> None:
    """``aws:lambda/function:Function`` is in ``pulumi_aws.lambda_``, ``lambda`` being a word of the language."""
    argv = [sys.executable, "-m", "local.run.provision", "lambda"]
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_files_that_cannot_be_watched_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Path, recursive: bool) -> AsyncIterator[set[tuple[int, str]]]:
        del recursive
        raise OSError("no watches left")
        yield set()

    class Up:
        async def warm(self) -> None:
            pass

    monkeypatch.setattr("local.run.watch.awatch", refuse)
    with pytest.raises(ProgramError, match=r"^Files cannot be watched \(no watches left\): run it without --watch\.$"):
        asyncio.run(asyncio.wait_for(watch(cast(Chain, Up()), lambda: None, print), PATIENCE))

"""Work goes on while every child is up; whichever goes wrong first is what is told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from starlette.responses import JSONResponse

import local.run.commands
from local import ROOT
from local.processes.child import Child, ChildEndedError, bare_environment
from local.processes.ports import any_port
from local.processes.supervisor import Supervisor
from local.program.graph import ProgramError
from local.program.provider import cognito_client
from local.run.chain import Chain
from tests.local.conftest import Server


async def start(folder: Path, program: str) -> Child:
    argv = [sys.executable, "-c", program]
    return await Child.start("part", argv, log=folder / "part.log", cwd=ROOT, environment=bare_environment())


def test_a_child_that_dies_ends_the_work_with_its_last_words(tmp_path: Path) -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        supervisor.adopt(await start(tmp_path, "raise SystemExit('out of coffee')"))
        await supervisor.while_up(asyncio.Event().wait())

    with pytest.raises(ChildEndedError, match=r"The part stopped with exit code 1; .* out of coffee"):
        asyncio.run(scene())


def test_work_that_fails_because_a_child_died_is_told_as_the_death(tmp_path: Path) -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        child = await start(tmp_path, "import time; time.sleep(60)")
        supervisor.adopt(child)

        async def work() -> None:
            child.process.kill()
            raise ConnectionError("cut")

        await supervisor.while_up(work())

    with pytest.raises(ChildEndedError, match="exit code -9"):
        asyncio.run(scene())


def test_a_part_that_dies_while_the_chain_starts_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def die(chain: Chain) -> None:
        child = await start(tmp_path, "raise SystemExit('out of coffee')")
        chain.services.adopt(child)
        await child.process.wait()
        raise ProgramError("The part does not answer.")  # what the work sees of it

    monkeypatch.setattr(Chain, "start", die)
    monkeypatch.setattr(sys, "argv", ["local", "up", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        local.run.commands.main()
    assert capsys.readouterr().err.startswith("The part stopped with exit code 1;")
    assert ended.value.code == 1


def test_a_child_without_its_log_has_an_exit_message(tmp_path: Path) -> None:
    async def scene() -> str:
        child = await start(tmp_path, "raise SystemExit(1)")
        await child.process.wait()
        child.log.unlink()  # somebody has cleared the folder
        return child.exit_message()

    log = tmp_path / "part.log"
    assert asyncio.run(scene()) == f"The part stopped with exit code 1; its log is {log}."


def test_the_last_words_of_a_child_are_its_own(tmp_path: Path) -> None:
    """A log is gone on with after a restart, and what broke before may look more like a failure."""

    async def scene() -> str:
        for program in ("raise ValueError('mended since')", "raise SystemExit('not today')"):
            child = await start(tmp_path, program)
            await child.process.wait()
        return child.exit_message()

    told = asyncio.run(scene())
    assert told.endswith("Its last error: not today.")
    assert "ValueError: mended since" in (tmp_path / "part.log").read_text()


def test_an_error_of_the_work_is_not_swallowed(tmp_path: Path) -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        supervisor.adopt(await start(tmp_path, "import time; time.sleep(60)"))

        async def work() -> None:
            raise KeyError("loginUrl")

        try:
            await supervisor.while_up(work())
        finally:
            await supervisor.end_all()

    with pytest.raises(KeyError):
        asyncio.run(scene())


def test_a_child_that_does_not_become_ready_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.processes.child.START_SECONDS", 0.1)

    async def scene() -> int | None:
        child = await start(tmp_path, "import time; time.sleep(60)")
        with pytest.raises(ProgramError, match="was not ready"):
            await child.listening(any_port())
        return child.process.returncode

    assert asyncio.run(scene()) is not None


def test_a_users_aws_settings_and_proxies_have_no_say_in_a_local_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "config"
    broken.write_text("[unclosed")
    nowhere = f"http://127.0.0.1:{any_port()}"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("AWS_PROFILE", "nope")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))

    with Server(JSONResponse({"UserPools": []})) as emulator:
        assert (
            cognito_client(emulator.url, "us-east-1", wait_seconds=1).list_user_pools(MaxResults=1)["UserPools"] == []
        )

"""Where tokens lie and where they go: to the addresses that they were given for, over TLS or on this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from client.commands.prompt import line_history
from client.connection import connect
from client.errors import OutputsError, SignInError
from client.exchange import ask
from client.outputs import Outputs, parse_outputs
from client.signin import Tokens
from client.store import TokenStore

TOKENS = Tokens("i", "a", "r")

DEPLOYED = Outputs(
    region="us-east-1",
    invoke_url="https://api.example/dev/invocations",
    runtime_url="https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/x/invocations",
    user_pool_id="us-east-1_x",
    user_pool_client_id="c",
    issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x",
)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (link, "is a symbolic link"),
        (pipe, "is not a regular file"),
        (folder, "cannot be read|is not a regular file"),
        (lambda path: path.chmod(0o640), "can be read by others"),
        (lambda path: path.parent.chmod(0o777), "can be written to by others"),
    ],
)
def test_a_store_that_is_not_as_we_left_it_is_not_read(
    change: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    store = TokenStore(DEPLOYED, tmp_path / "state")
    store.save(TOKENS)
    change(store.path)
    with pytest.raises(SignInError, match=said):
        store.load()


def test_another_users_file_and_folder_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(DEPLOYED, tmp_path / "state")
    store.save(TOKENS)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(SignInError, match="belongs to another user"):
        store.load()


def test_tokens_are_written_beside_a_link_and_never_through_it(tmp_path: Path) -> None:
    store = TokenStore(DEPLOYED, tmp_path / "state")
    store.path.parent.mkdir(mode=0o700)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    store.path.symlink_to(victim)
    store.save(TOKENS)
    assert (victim.read_text(), store.path.is_symlink(), store.load()) == ("precious", False, TOKENS)


def test_a_full_disk_is_told_with_the_file_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("client.store.tempfile.mkstemp", full)
    with pytest.raises(SignInError, match=r"state.*No space left on device.*XDG_STATE_HOME"):
        TokenStore(DEPLOYED, tmp_path / "state").save(TOKENS)


@pytest.mark.parametrize(
    "changes",
    [
        {"invoke_url": "https://api.example.evil.example/dev/invocations"},
        {"invoke_url": "http://api.example/dev/invocations"},
        {"invoke_url": "https://api.example:8443/dev/invocations"},
        {"runtime_url": "https://evil.example/runtimes/x/invocations"},
    ],
)
def test_a_token_goes_to_no_other_address_than_it_was_given_for(changes: dict[str, str], tmp_path: Path) -> None:
    TokenStore(DEPLOYED, tmp_path).save(TOKENS)
    other = TokenStore(DEPLOYED.model_copy(update=changes), tmp_path)
    with pytest.raises(SignInError, match="sign in again"):
        other.load()
    assert other.load(any_address=True) == TOKENS  # for signing out


@pytest.mark.parametrize("url", ["https://API.example:443/dev/invocations", "https://api.example/prod/invocations"])
def test_the_same_address_may_be_written_otherwise(url: str, tmp_path: Path) -> None:
    TokenStore(DEPLOYED, tmp_path).save(TOKENS)
    assert TokenStore(DEPLOYED.model_copy(update={"invoke_url": url}), tmp_path).load() == TOKENS


@pytest.mark.parametrize("url", ["http://api.example/dev", "http://192.0.2.1/", "http://127.0.0.1.evil.example/"])
def test_no_token_and_no_key_goes_over_plain_http_to_another_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx.Request] = []

    async def ask_and_get() -> None:
        transport = httpx.MockTransport(lambda request: sent.append(request) or httpx.Response(200))  # type: ignore[func-returns-value]
        async with httpx.AsyncClient(transport=transport) as http:
            with pytest.raises(OutputsError, match="plain http"):
                async for _ in ask(url, "token", "Hello", http=http):
                    pass
        monkeypatch.setenv("AGENT_STREAM_API_KEY", "key")
        async with connect(DEPLOYED.model_copy(update={"invoke_url": url})) as http:
            request = http.build_request("GET", url)
            for hook in http.event_hooks["request"]:
                await hook(request)
            assert "x-api-key" not in request.headers
            request.headers["authorization"] = "Bearer token"
            with pytest.raises(httpx.UnsupportedProtocol):
                await http.event_hooks["request"][0](request)

    asyncio.run(ask_and_get())
    assert sent == []


@pytest.mark.parametrize("endpoint", ["http://evil.example:4566", "https://evil.example", "http://[::1", "nowhere"])
def test_a_local_runs_emulator_is_on_this_machine(endpoint: str) -> None:
    given = DEPLOYED.model_copy(update={"endpoint_url": endpoint}).model_dump_json(by_alias=True, exclude_none=True)
    with pytest.raises(OutputsError, match="not on this machine"):
        parse_outputs(given, source="x", what="x", folder=None)


def test_a_pipe_where_the_lines_are_kept_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "agent-stream").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "agent-stream" / "history")
    with line_history(enabled=True):
        pass

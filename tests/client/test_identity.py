"""Sign in, stay signed in, sign out; and where the tokens are meanwhile."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import hmac
import json
import pwd
import re
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

import client.account
import client.signin
from client.account import Account, claims_of, token_fault
from client.cognito import bare_session, cognito
from client.errors import AdministrationError, SignInError
from client.outputs import Outputs
from client.signin import Challenge, Tokens, refresh, sign_in
from client.store import TokenStore, state_folder
from client.users import Users, administrator, temporary_password
from local.processes.ports import any_port
from tests.client.conftest import PASSWORD, Run
from tests.client.scripted_server import answering
from tests.client.variants import Base


def expired(tokens: Tokens) -> Tokens:
    claims = {**claims_of(tokens.id), "exp": int(time.time()) + 30}
    return tokens._replace(id=jwt.encode(claims, "a secret of thirty-two characters", algorithm="HS256"))


def test_a_store_is_readable_by_its_owner_alone(outputs: Outputs, tmp_path: Path) -> None:
    store = TokenStore(outputs, tmp_path / "state")
    store.save(Tokens("i", "a", "r"))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert store.load() == Tokens("i", "a", "r")
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_a_store_that_others_can_read_is_not_trusted(outputs: Outputs, tmp_path: Path) -> None:
    store = TokenStore(outputs, tmp_path)
    store.save(Tokens("i", "a", "r"))
    store.path.chmod(0o644)
    with pytest.raises(SignInError, match="read by others"):
        store.load()


def test_tokens_of_another_client_are_not_used(outputs: Outputs, tmp_path: Path) -> None:
    TokenStore(outputs, tmp_path).save(Tokens("i", "a", "r"))
    other = outputs.model_copy(update={"user_pool_client_id": "another"})
    assert TokenStore(other, tmp_path).load() is None


def test_a_broken_store_is_explained(outputs: Outputs, tmp_path: Path) -> None:
    store = TokenStore(outputs, tmp_path)
    store.save(Tokens("i", "a", "r"))
    store.path.write_text("{")
    with pytest.raises(SignInError, match="remove it"):
        store.load()


def test_a_token_that_is_about_to_end_is_refreshed_and_kept(outputs: Outputs, tokens: Tokens, tmp_path: Path) -> None:
    store = TokenStore(outputs, tmp_path)
    mine = sign_in(outputs, str(outputs.demo_username), outputs.demo_password.get_secret_value())  # type: ignore[union-attr]
    store.save(expired(mine))
    fresh = Account(outputs, store).tokens()
    assert claims_of(fresh.id)["exp"] > time.time() + 600
    assert store.load() == fresh


def test_a_sign_in_that_has_ended_is_explained(outputs: Outputs, tmp_path: Path) -> None:
    store = TokenStore(outputs, tmp_path)
    store.save(Tokens("not a token", "a", "no refresh token"))
    with pytest.raises(SignInError, match="client login"):
        Account(outputs, store).tokens()


def test_a_new_password_is_asked_for_and_set(outputs: Outputs) -> None:
    asked: list[Challenge] = []

    def answer(challenge: Challenge) -> str:
        asked.append(challenge)
        return PASSWORD

    name = f"new-{time.monotonic_ns()}@example.com"
    temporary = Users(outputs).add(name, invite=False)
    assert temporary
    assert sign_in(outputs, name, temporary, answer).id
    assert [challenge.name for challenge in asked] == ["NEW_PASSWORD_REQUIRED"]
    assert asked[0].secret
    assert sign_in(outputs, name, PASSWORD).id


def test_a_program_without_a_user_says_that_cognito_asks_for_more(outputs: Outputs) -> None:
    name = f"new-{time.monotonic_ns()}@example.com"
    temporary = Users(outputs).add(name, invite=False)
    with pytest.raises(SignInError, match="NEW_PASSWORD_REQUIRED"):
        sign_in(outputs, name, str(temporary))


def test_a_code_from_an_app_is_asked_for(outputs: Outputs, stranger: str) -> None:
    cognito: Any = administrator(outputs)
    access = sign_in(outputs, stranger, PASSWORD).access
    secret = cognito.associate_software_token(AccessToken=access)["SecretCode"]
    cognito.verify_software_token(AccessToken=access, UserCode=_code(secret))
    cognito.set_user_mfa_preference(
        AccessToken=access, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    cognito.set_user_pool_mfa_config(
        UserPoolId=outputs.user_pool_id, SoftwareTokenMfaConfiguration={"Enabled": True}, MfaConfiguration="OPTIONAL"
    )
    asked: list[str] = []

    def answer(challenge: Challenge) -> str:
        asked.append(challenge.name)
        return _code(secret)

    try:
        assert sign_in(outputs, stranger, PASSWORD, answer).id
    finally:
        cognito.set_user_pool_mfa_config(UserPoolId=outputs.user_pool_id, MfaConfiguration="OFF")
    assert asked == ["SOFTWARE_TOKEN_MFA"]


class RequiresMfa:
    """The emulator, which never asks anyone to set an app up, with a pool that does."""

    def __init__(self, cognito: Any) -> None:
        self._cognito = cognito

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cognito, name)

    def respond_to_auth_challenge(self, **given: Any) -> Any:
        if given["ChallengeName"] == "PASSWORD_VERIFIER":
            self._cognito.respond_to_auth_challenge(**given)
            return {
                "ChallengeName": "MFA_SETUP",
                "Session": "a session of more than twenty characters",
                "ChallengeParameters": {"MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]'},
            }
        assert given["Session"] != "a session of more than twenty characters"  # but that of the verified code
        return self._cognito.respond_to_auth_challenge(**given)


def test_an_app_is_set_up_where_the_pool_requires_one(
    outputs: Outputs, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Challenge] = []

    def answer(challenge: Challenge) -> str:
        asked.append(challenge)
        secret = parse_qs(urlsplit(challenge.show.split()[-1]).query)["secret"][0]
        return f" {_code(secret)}\n"

    monkeypatch.setattr(client.signin, "cognito", lambda outputs: RequiresMfa(cognito(outputs)))
    assert sign_in(outputs, stranger, PASSWORD, answer).id
    assert [challenge.name for challenge in asked] == ["MFA_SETUP"]
    assert f"otpauth://totp/agent-stream:{stranger}?" in asked[0].show

    def mistake(_challenge: Challenge) -> str:
        return "000000"

    with pytest.raises(SignInError, match="Code mismatch"):
        sign_in(outputs, stranger, PASSWORD, mistake)


@pytest.fixture
def stale_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A shell with a profile that is gone, a broken file of profiles, and a proxy that is down."""
    broken = tmp_path / "config"
    broken.write_text("no section\n")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{any_port()}")
        monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nope")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    bare_session.cache_clear()
    yield
    bare_session.cache_clear()


@pytest.mark.usefixtures("stale_shell")
def test_a_local_run_takes_nothing_from_the_shell(outputs: Outputs, stranger: str) -> None:
    assert sign_in(outputs, stranger, PASSWORD).id
    assert stranger in [user.email or user.username for user in Users(outputs).list()]


@pytest.mark.usefixtures("stale_shell")
def test_a_sign_in_needs_no_profile_and_takes_the_proxy(outputs: Outputs) -> None:
    with pytest.raises(SignInError, match="proxy"):
        sign_in(outputs.model_copy(update={"endpoint_url": None}), "user", PASSWORD)


def test_tokens_that_cannot_be_kept_are_used_all_the_same(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account = Account(outputs, TokenStore(outputs, Path("/proc/nowhere")))
    first = account.tokens()
    assert account.tokens() is first
    assert asyncio.run(account.id_token()) == first.id
    monkeypatch.setattr(client.account, "_ends_soon", lambda _token: True)
    assert account.tokens() != first
    assert [("XDG_STATE_HOME" in record.message) for record in caplog.records] == [True]


def test_a_wrong_password_is_refused(outputs: Outputs, stranger: str) -> None:
    with pytest.raises(SignInError, match="Incorrect username or password"):
        sign_in(outputs, stranger, "Wrong-horse-7!")


def test_a_disabled_user_cannot_sign_in(outputs: Outputs, stranger: str) -> None:
    users = Users(outputs)
    users.disable(stranger)
    assert [user.enabled for user in users.list() if stranger in (user.username, user.email)] == [False]
    with pytest.raises(SignInError, match="disabled"):
        sign_in(outputs, stranger, PASSWORD)


def test_a_temporary_password_satisfies_the_strictest_policy() -> None:
    for _ in range(50):
        password = temporary_password()
        assert all(re.search(kind, password) for kind in (r"[A-Z]", r"[a-z]", r"\d", r"[!@#$%^&*]"))
        assert len(password) == 20


def test_the_command_line_signs_in_from_a_pipe_and_out_again(
    base: Base, run: Run, stranger: str, tmp_path: Path
) -> None:
    # Not the chain's own folder, where other tests' tokens are.
    copy = tmp_path / "outputs.json"
    copy.write_bytes((base.folder / "outputs.json").read_bytes())
    done = run("login", "--username", stranger, "--password-stdin", "--json", stdin=f"{PASSWORD}\n", file=copy)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert json.loads(done.stdout)["keptIn"] == str(tmp_path / "tokens.json")
    kept = json.loads((tmp_path / "tokens.json").read_text())

    who = json.loads(run("whoami", "--json", file=copy).stdout)
    assert who["user"] in (stranger, None)
    assert who["sub"] == claims_of(kept["id"])["sub"]
    assert run("token", file=copy).stdout.strip() == kept["id"]
    assert json.loads(run("token", "--access", "--json", file=copy).stdout)["token"] == kept["access"]

    out = run("logout", "--json", file=copy)
    assert (out.returncode, json.loads(out.stdout)) == (0, {"signedOut": True}), out.stderr
    assert not (tmp_path / "tokens.json").exists()
    outputs = base.outputs
    with pytest.raises(SignInError):
        refresh(outputs, Tokens(kept["id"], kept["access"], kept["refresh"]))


def test_a_wrong_password_on_the_command_line_is_one_sentence(run: Run, stranger: str) -> None:
    done = run("login", "--username", stranger, "--password-stdin", stdin="Wrong-horse-7!\n")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Wrong-horse" not in done.stderr


def test_an_administrator_adds_lists_and_disables(run: Run) -> None:
    added = json.loads(run("users", "add", "team@example.com", "--json").stdout)
    assert len(added["temporaryPassword"]) == 20
    assert "team@example.com" in run("users", "list").stdout
    again = json.loads(run("users", "add", "team@example.com", "--json").stdout)
    assert again["temporaryPassword"] not in ("", added["temporaryPassword"])  # invited anew: the old one is void
    assert json.loads(run("users", "disable", "team@example.com", "--json").stdout)["enabled"] is False
    listed = [json.loads(line) for line in run("users", "list", "--json").stdout.splitlines()]
    assert [user["enabled"] for user in listed if user["email"] == "team@example.com"] == [False]
    assert run("users", "enable", "team@example.com").stdout == "Enabled team@example.com.\n"
    assert run("users", "groups", "team@example.com").stdout == "team@example.com: no groups\n"
    assert json.loads(run("users", "groups", "team@example.com", "--json").stdout)["groups"] == []
    assert run("users", "delete", "team@example.com", "--yes").stdout == "Deleted team@example.com.\n"
    assert "team@example.com" not in run("users", "list").stdout


def test_without_a_demo_user_the_command_to_sign_in_is_named(base: Base, run: Run, tmp_path: Path) -> None:
    given = json.loads((base.folder / "outputs.json").read_text())
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**given, "demoUsername": None, "demoPassword": None}))
    done = run("ask", "Hello", file=path)
    assert done.returncode == 1
    assert f"client login --outputs {path}" in done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token_use": "access"}, "access token"),
        ({"iss": "https://elsewhere"}, "another user pool"),
        ({"aud": "another"}, "another app client"),
        ({}, ""),
    ],
)
def test_what_is_wrong_with_a_token_is_told(
    changed: dict[str, str], said: str, outputs: Outputs, tokens: Tokens
) -> None:
    token = jwt.encode({**claims_of(tokens.id), **changed}, "a secret of thirty-two characters", algorithm="HS256")
    fault = token_fault(token, outputs)
    assert said in fault
    assert bool(fault) == bool(said)


def _code(secret: str) -> str:
    """A time-based one-time password (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not Cognito</html>",
        b"[]",
        b'{"AuthenticationResult": {}}',
        b'{"ChallengeName": "PASSWORD_VERIFIER", "ChallengeParameters": {}}',
    ],
)
def test_another_server_in_cognitos_place_is_explained(body: bytes, outputs: Outputs, tokens: Tokens) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
    with answering(*[[answer]] * 4) as server:
        strange = outputs.model_copy(update={"endpoint_url": server.url.removesuffix("/dev/invocations")})
        with pytest.raises(SignInError, match="is malformed"):
            sign_in(strange, "somebody@example.com", PASSWORD)
        with pytest.raises(SignInError, match="is malformed"):
            refresh(strange, tokens)
        with pytest.raises(AdministrationError, match="not Cognito's"):
            list(Users(strange).list())


def test_two_stacks_never_share_a_file(outputs: Outputs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    sources = ["stack dev", "stack acme/dev", "stack acme-dev", "stack acme/dev/x"]
    deployed = [outputs.model_copy(update={"source": source, "endpoint_url": None}) for source in sources]
    paths = [TokenStore(one).path for one in deployed]
    assert len({*paths}) == len(sources)
    assert {path.parent for path in paths} == {tmp_path / "agent-stream"}
    assert paths[0].name == "stack-dev.json"


def test_a_relative_state_folder_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local/state/agent-stream"


def test_a_user_without_a_home_is_told(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(SignInError, match="XDG_STATE_HOME"):
        TokenStore(outputs.model_copy(update={"source": "stack dev", "endpoint_url": None}))


def test_ctrl_c_leaves_no_copy_of_the_tokens(
    outputs: Outputs, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TokenStore(outputs, tmp_path).save(tokens)
    assert list(tmp_path.iterdir()) == []


def test_tokens_that_cannot_be_removed_are_named(
    outputs: Outputs, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    store = TokenStore(outputs, tmp_path)
    store.save(tokens)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(SignInError, match="cannot be removed"):
        store.clear()

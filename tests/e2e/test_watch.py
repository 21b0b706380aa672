"""A saved file restarts what it affects; users stay signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from client.signin import sign_in
from local import ROOT
from local.watch import affected
from tests.e2e.conftest import RunningChain, until


@pytest.fixture
def stack() -> Iterator[Path]:
    """A stack file of this test's own, a copy of dev's."""
    path = ROOT / "Pulumi.watched.yaml"
    path.write_text((ROOT / "Pulumi.dev.yaml").read_text())
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def test_a_changed_setting_reaches_the_gateway_and_users_stay_signed_in(stack: Path, tmp_path: Path) -> None:
    chain = RunningChain(tmp_path, "--stack", "watched", "--watch")
    try:
        chain.wait_until_up()
        before, outputs = chain.children, chain.outputs
        assert outputs.demo_username
        assert outputs.demo_password
        tokens = sign_in(outputs, outputs.demo_username, outputs.demo_password.get_secret_value())

        stack.write_text(stack.read_text().replace("http://localhost:5173", "https://watched.example"))
        until(lambda: _origin(chain) == "https://watched.example", "the new origin is served")
        until(lambda: _status(chain, tokens.id) == 200, "the same token is good")
        assert chain.process.poll() is None
        until(lambda: chain.children["gateway"] != before["gateway"], "the new process is written down")
        assert chain.outputs.user_pool_id == outputs.user_pool_id

        stack.write_text("config: [")
        line = chain.process.stderr.readline() if chain.process.stderr else ""
        assert "cannot be read" in line
        assert _status(chain, tokens.id) == 200
        assert before.keys() == chain.children.keys()
    finally:
        chain.end()


def _origin(chain: RunningChain) -> str | None:
    try:
        headers = httpx.options(chain.outputs.invoke_url, trust_env=False).headers
        return str(headers.get("access-control-allow-origin"))
    except httpx.TransportError:
        return None  # the gateway is being restarted


def _status(chain: RunningChain, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        body = {"prompt": "Hi [words=2 pause=0]"}
        return httpx.post(chain.outputs.invoke_url, headers=headers, json=body, trust_env=False).status_code
    except httpx.TransportError:
        return 0  # the gateway is being restarted


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("agent/agent.py", "agent"),
        ("infra/api.py", "graph"),
        ("__main__.py", "graph"),
        ("Pulumi.dev.yaml", "graph"),
        ("agent/notes.md", None),
    ],
)
def test_a_file_restarts_what_it_affects(name: str, what: str | None) -> None:
    assert affected({ROOT / name}) == what

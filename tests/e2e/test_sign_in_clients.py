"""Other people's sign-in clients, unchanged, before the local user pool: what they get, the API takes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests import loopback
from tests.e2e.conftest import RunningChain
from tests.node_programs import installed, needs_node

HERE = Path(__file__).parent / "sign_in"

pytestmark = needs_node


@pytest.mark.parametrize("client", ["oidc", "amplify"])
def test_a_user_signs_in_renews_and_signs_out(client: str, chain: RunningChain) -> None:
    done = subprocess.run(
        ["node", f"{client}.mjs"],
        cwd=installed(HERE),
        env={**os.environ, "OUTPUTS": (chain.folder / "outputs.json").read_text()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["signedIn"] != said["renewed"]
    for token in (said["signedIn"], said["renewed"]):
        headers = {"Authorization": f"Bearer {token}"}
        answer = loopback.post(chain.outputs.invoke_url, json={"prompt": "[words=1 pause=0]"}, headers=headers)
        assert "RUN_FINISHED" in answer.text
    # Revoked where the client signed out, and not merely forgotten by it.
    assert said["afterwards"] == "refused"

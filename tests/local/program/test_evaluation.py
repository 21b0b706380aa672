"""What an evaluation shows of a program to whoever looks at its graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from local.program.graph_table import SECRET
from tests.e2e.project import copy_project
from tests.local.conftest import PATIENCE

WITH_A_SECRET = """
import pulumi

token = pulumi.Output.secret("hunter2-of-mine")
pulumi.CustomResource("aws:ssm/parameter:Parameter", "token", {"type": "SecureString", "value": token})
pulumi.export("token", pulumi.Output.secret({"hidden": ["hunter3-of-mine"]}))
"""


def test_a_secret_that_the_program_marks_itself_is_blotted_out(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", WITH_A_SECRET)
    argv = [sys.executable, "-m", "local", "graph", "--json"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert "hunter" not in done.stdout
    shown = json.loads(done.stdout)
    (parameter,) = (one for one in shown["resources"] if one["name"] == "token")
    assert parameter["inputs"] == {"type": "SecureString", "value": SECRET}
    assert shown["outputs"] == {"token": {"hidden": [SECRET]}}

"""A reader of the pages: a checkout of their own, a shell in it, and at most one thing that stays up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from local import LOOPBACK, ROOT
from local.processes.folder_lock import read_state
from local.processes.ports import any_port, is_free
from tests.e2e.conftest import PATIENCE, until

LEFT_OUT = (".git", ".venv", ".build", ".local", "dist", "node_modules", ".*_cache", ".hypothesis")


class Reader:
    """Types commands as the pages have them, in a copy of the project whose ``.venv`` is this interpreter's.

    Args:
        folder: where the copy and everything that commands leave behind goes.
    """

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        shutil.copytree(ROOT, self.project, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (self.project / ".venv").symlink_to(sys.prefix)
        self._agent_port = any_port()
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AGENT_", "PULUMI_"))},
            "PATH": f"{self.project / '.venv' / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AGENT_PORT": str(self._agent_port),
            "COLUMNS": "100",
        }
        self._up: tuple[str, subprocess.Popen[str]] | None = None
        self._log = folder / "up.log"

    def type(self, line: str, then: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Args:
            line: as in the page; the port of an agent of one's own is replaced.
            then: what is typed into it.
        """
        shown = line.replace("localhost:8080", f"{LOOPBACK}:{self._agent_port}")
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shown],
            cwd=self.project,
            env=self._environment,
            input=then,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def keep_up(self, line: str) -> str:
        """Have this command running, and no other that stays; what it has printed.

        Args:
            line: the command; before it, after a semicolon each, what is done first.
        """
        if self._up is None or self._up[0] != line or self._up[1].poll() is not None:
            self.end()
            self._log.write_text("")
            shutil.copy(ROOT / "agent" / "agent.py", self.project / "agent" / "agent.py")
            *first, last = line.split("; ")
            for each in first:
                assert self.type(each).returncode == 0
            with self._log.open("w") as log:
                process = subprocess.Popen(
                    ["bash", "-c", f"exec env {last}"],  # env takes the variables before a command, and exec none
                    cwd=self.project,
                    env=self._environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            self._up = (line, process)
            until(lambda: self._is_up(line) or process.poll() is not None, f"`{line}` is up")
            assert process.poll() is None, self._log.read_text()
        return self._log.read_text()

    def end(self) -> None:
        """Ctrl-C for whatever is up."""
        if self._up is not None:
            _, process = self._up
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE)
            self._up = None

    def _is_up(self, line: str) -> bool:
        if line.endswith("python -m agent"):
            return not is_free(self._agent_port)
        state = read_state(self.project / ".local")
        return state is not None and state.get("state") == "up" and "Ctrl-C" in self._log.read_text()

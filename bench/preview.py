"""`pulumi preview` of a stack by the real engine, as a process that can be timed: ``python -m bench.preview``.

AWS's provider is the stand-in of the engine's tests, served by the process that measures. The program runs inline
(Automation API), because the engine that `make engine` builds has no language host.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from local import ROOT
from local.program.evaluate import read_settings
from tests.engine.cli import engine_root
from tests.engine.provider import Cloud, serving
from tests.engine.stacks import EngineStack, structured

STACK = "dev"


class PreviewError(Exception):
    """There is no engine, or it does not preview; the message says why in one sentence."""


@contextmanager
def previewed(folder: Path) -> Iterator[list[str]]:
    """A stack that nothing of has been deployed; gives the command that previews it.

    Args:
        folder: an empty folder, for the engine's home and the state.

    Raises:
        PreviewError: when there is no engine.
    """
    if engine_root() is None:
        raise PreviewError("there is no Pulumi engine; `make engine` builds one where Go is")
    folder.mkdir()
    with serving(Cloud()) as providers:
        EngineStack(folder, STACK, Cloud(), providers).configure(structured(read_settings(STACK)))
        yield [sys.executable, "-m", "bench.preview", str(folder), providers]


def seconds(command: list[str]) -> float:
    """How long a preview takes, from the start of its process to its end.

    Raises:
        PreviewError: when it fails.
    """
    # A person's preview does not ask the CLI for its version first, as the Automation API does.
    environment = {**os.environ, "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true"}
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise PreviewError(f"the preview failed: {done.stderr.strip()[-300:]}")
    return took


def main() -> None:
    """Preview once, in a folder that `previewed` made, and say what would be created."""
    folder, providers = sys.argv[1:]
    package = Path(folder) / "agent-0123456789abcdef.zip"
    package.write_bytes(b"a stand-in, as the peer's asset is")
    with mock.patch("package.contents.package_path", return_value=package):
        print(EngineStack(Path(folder), STACK, Cloud(), providers).preview())


if __name__ == "__main__":
    main()

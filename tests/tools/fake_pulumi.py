"""A `pulumi` that writes down how it was called, and answers as a test wants: what the steps do with it is tested, not
what Pulumi does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# Without the site's packages, which it does not need, Python starts in half the time.
SCRIPT = """\
#!{python} -ES
import json, os, sys
from pathlib import Path

called = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
with Path({log!r}).open("a") as log:
    log.write(json.dumps(called) + "\\n")
answers = json.loads(Path({answers!r}).read_text())
text, code = answers.get(sys.argv[1], ["", 0])
print(text)
sys.exit(code)
"""


class FakePulumi:
    """The program in a folder of its own, to be put on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log, self._answers = folder / "log", folder / "answers"
        self._log.touch()
        self.answer()
        program = folder / "pulumi"
        program.write_text(SCRIPT.format(python=sys.executable, log=str(self._log), answers=str(self._answers)))
        program.chmod(0o755)

    def answer(self, **answers: tuple[str, int]) -> None:
        """What each command prints, and its exit code; nothing and 0 for the others."""
        self._answers.write_text(json.dumps(answers))

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @property
    def commands(self) -> list[list[str]]:
        return [call["argv"] for call in self.calls]

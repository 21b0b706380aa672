"""``.env.local``: the values of secrets and other variables for the agent of the local run, one ``NAME=VALUE`` a line.

On AWS the agent reads its secrets with its role; here a developer keeps them in this file, which git ignores.
"""

from __future__ import annotations

import re
from pathlib import Path

from local import ROOT
from local.program.graph import ProgramError

ENV_FILE = ROOT / ".env.local"

_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")


def read_env_file(path: Path = ENV_FILE) -> dict[str, str]:
    """The variables of the file; none when there is no such file. A value may be quoted.

    Raises:
        ProgramError: with the number of a line that is not ``NAME=VALUE``, never with its content.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise ProgramError(f"{path.name} cannot be read: make it a text file of NAME=VALUE lines.") from None
    found: dict[str, str] = {}
    for number, text in enumerate(lines, 1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProgramError(f"Line {number} of {path.name} is not NAME=VALUE: correct it, or put a # before it.")
        value = match["value"]
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        found[match["name"]] = value[1:-1] if quoted else value
    return found

"""Which Pulumi engine the tests run: the one that ``make engine`` built, or else one on the PATH."""

from __future__ import annotations

import shutil
from pathlib import Path

from local import ROOT

BUILT = ROOT / ".build" / "engine"
"""Where ``make engine`` puts it: ``bin/pulumi`` below it."""


def engine_root() -> Path | None:
    """The folder that holds ``bin/pulumi``; None when this machine has no engine."""
    if (BUILT / "bin" / "pulumi").exists():
        return BUILT
    found = shutil.which("pulumi")
    return Path(found).resolve().parent.parent if found and Path(found).parent.name == "bin" else None

"""Renames the project: ``python -m tools.rename my-chat``.

The name is in ``Pulumi.yaml``, and before every key of every stack file: a key without it works too, but when Pulumi
next writes the file it adds the name and drops the file's comments. Physical names begin with the project's name, so a
deployed stack is not renamed: it exists beside the new one until it is destroyed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.config import StackConfig
from infra.settings.error_messages import HIDDEN
from infra.settings.stack import PROJECT
from package.contents import ROOT
from tools import schema


def rename(name: str, root: Path = ROOT) -> list[str]:
    """Write the name into the project's files; return the names of the changed files.

    Raises:
        ValueError: when the name cannot work; the message says why.
    """
    if not re.fullmatch(PROJECT.regex, name):
        raise ValueError(f"The name {name!r} cannot work, because {PROJECT.why}; write {PROJECT.description}.")
    project = root / "Pulumi.yaml"
    keys = "|".join(
        str(field.alias) for key, field in StackConfig.model_fields.items() if key not in HIDDEN | {"region"}
    )
    texts = {project: re.sub(r"^name: .*$", f"name: {name}", project.read_text(encoding="utf-8"), flags=re.MULTILINE)}
    for path in sorted(root.glob("Pulumi.*.yaml")):
        text = path.read_text(encoding="utf-8")
        # Any name is replaced, because the one in Pulumi.yaml may have been changed by hand before.
        texts[path] = re.sub(rf"^( +)[a-z0-9-]+:(?=({keys}):)", rf"\g<1>{name}:", text, flags=re.MULTILINE)
    texts[root / schema.FILE.relative_to(ROOT)] = schema.render(name)
    changed = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return [path.relative_to(root).as_posix() for path in changed]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rename, and print what was changed. Returns 2 if the name cannot work."""
    parser = argparse.ArgumentParser(prog="python -m tools.rename", description=__doc__)
    parser.add_argument("name", help="the project's new name")
    name = parser.parse_args(arguments).name
    try:
        changed = rename(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"The project is named {name}: {', '.join(changed) or 'nothing had to be changed'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

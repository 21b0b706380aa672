"""The licence of every package that is shipped, as a list and in the bill of materials: ``python -m tools.licences``.

A package's own metadata says it; all that is shipped is pinned for development too, so it is installed here. ``make
sbom`` makes the bill (CycloneDX), which has no licences when it is made of requirements, and then runs this.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from local import ROOT

REQUIREMENTS = ROOT / "agent" / "requirements.txt"
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
SHORT = 60
"""Some packages put a whole licence where its name belongs."""


class LicenceError(Exception):
    """A package's licence is unknown; the message says why in one sentence."""


class Licence(NamedTuple):
    """What one package says of itself.

    Attributes:
        package: its name.
        version: as pinned.
        names: its licences; a single one may be an SPDX expression.
        expression: the one name is an SPDX expression.
    """

    package: str
    version: str
    names: tuple[str, ...]
    expression: bool


def licences(requirements: Path = REQUIREMENTS) -> list[Licence]:
    """The licences of all pinned packages, by name.

    Raises:
        LicenceError: when one of them is not installed as it is pinned, or says nothing of its licence.
    """
    return [_licence(*found) for found in sorted(PINNED.findall(requirements.read_text(encoding="utf-8")))]


def _licence(package: str, version: str) -> Licence:
    try:
        said = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        raise LicenceError(f"{package} is not installed: run `make setup`.") from None
    if said["Version"] != version:
        raise LicenceError(f"{package} is {said['Version']} here and pinned as {version}: run `make setup`.")
    if expression := said.get_all("License-Expression"):
        return Licence(package, version, (*expression,), expression=True)
    classified = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if "License ::" in each]
    names = classified or [each.strip() for each in said.get_all("License") or [] if 0 < len(each.strip()) <= SHORT]
    if not names:
        raise LicenceError(f"{package} says nothing of its licence: look at its sources before it is shipped.")
    return Licence(package, version, tuple(names), expression=False)


def put_into(bill: dict[str, Any], found: list[Licence]) -> None:
    """Write the licences beside the components of a bill of materials.

    Raises:
        LicenceError: when a component is none of these packages.
    """
    known = {(each.package.lower(), each.version): each for each in found}
    for component in bill["components"]:
        one = known.get((component["name"].lower(), component["version"]))
        if one is None:
            raise LicenceError(f"{component['name']} {component['version']} is in the bill and not among the packages.")
        if one.expression:
            component["licenses"] = [{"expression": one.names[0]}]
        else:
            component["licenses"] = [{"license": {"name": name}} for name in one.names]


def main() -> int:
    """Write the list, and the licences into the bill where one is named."""
    parser = argparse.ArgumentParser(prog="python -m tools.licences", description=__doc__.partition("\n")[0])
    parser.add_argument("--bill", type=Path, help="a CycloneDX file in JSON")
    parser.add_argument("--list", type=Path, required=True, help="where the list goes")
    asked = parser.parse_args()
    try:
        found = licences()
        if asked.bill:
            bill = json.loads(asked.bill.read_text(encoding="utf-8"))
            put_into(bill, found)
            asked.bill.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    except LicenceError as error:
        print(error, file=sys.stderr)
        return 1
    lines = [f"{each.package:<50} {each.version:<16} {'; '.join(each.names)}\n" for each in found]
    asked.list.write_text("".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the licence of every shipped package to a list and into the bill of materials: ``python -m tools.licences``.

Licences are read from the packages' metadata; all shipped packages are pinned for development too, so they are
installed here. ``make sbom`` makes the bill (CycloneDX), which has no licences if it is made from requirements, and
then runs this."""

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
"""Some packages have the licence's whole text in the field of its name."""


class LicenceError(Exception):
    """A package's licence is unknown; the message says why in one sentence."""


class Licence(NamedTuple):
    """The licences in one package's metadata.

    Attributes:
        package: its name.
        version: as pinned.
        names: its licences; a single one may be an SPDX expression.
        expression: whether the only name is an SPDX expression.
    """

    package: str
    version: str
    names: tuple[str, ...]
    expression: bool


def licences(requirements: Path = REQUIREMENTS) -> list[Licence]:
    """The licences of all pinned packages, by name.

    Raises:
        LicenceError: when one is not installed in the pinned version, or its metadata has no licence.
    """
    return [_licence(*found) for found in sorted(PINNED.findall(requirements.read_text(encoding="utf-8")))]


def _licence(package: str, version: str) -> Licence:
    try:
        fields = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        raise LicenceError(f"{package} is not installed: run `make setup`.") from None
    if fields["Version"] != version:
        raise LicenceError(f"{package} is {fields['Version']} here and pinned as {version}: run `make setup`.")
    if expression := fields.get_all("License-Expression"):
        return Licence(package, version, (*expression,), expression=True)
    classified = [each.rpartition(" :: ")[2] for each in fields.get_all("Classifier") or [] if "License ::" in each]
    names = classified or [each.strip() for each in fields.get_all("License") or [] if 0 < len(each.strip()) <= SHORT]
    if not names:
        raise LicenceError(f"{package} has no licence in its metadata: check its sources before it is shipped.")
    return Licence(package, version, tuple(names), expression=False)


def put_into(bill: dict[str, Any], found: list[Licence]) -> None:
    """Write the licences into the components of a bill of materials.

    Raises:
        LicenceError: when a component is not one of these packages.
    """
    known = {(each.package.lower(), each.version): each for each in found}
    for component in bill["components"]:
        one = known.get((component["name"].lower(), component["version"]))
        if one is None:
            raise LicenceError(f"{component['name']} {component['version']} is in the bill, but is not a package.")
        if one.expression:
            component["licenses"] = [{"expression": one.names[0]}]
        else:
            component["licenses"] = [{"license": {"name": name}} for name in one.names]


def main() -> int:
    """Write the list, and the licences into the bill if ``--bill`` names one."""
    parser = argparse.ArgumentParser(prog="python -m tools.licences", description=__doc__.partition("\n")[0])
    parser.add_argument("--bill", type=Path, help="a CycloneDX file in JSON")
    parser.add_argument("--list", type=Path, required=True, help="the file of the list")
    options = parser.parse_args()
    try:
        found = licences()
        if options.bill:
            bill = json.loads(options.bill.read_text(encoding="utf-8"))
            put_into(bill, found)
            options.bill.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    except LicenceError as error:
        print(error, file=sys.stderr)
        return 1
    lines = [f"{each.package:<50} {each.version:<16} {'; '.join(each.names)}\n" for each in found]
    options.list.write_text("".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

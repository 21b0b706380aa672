"""What is shipped has a licence that its users can live with, and the bill of materials says which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT
from tools.licences import LicenceError, licences, main


def test_everything_shipped_has_a_licence_and_none_that_binds_the_agent() -> None:
    found = licences()
    assert len(found) > 50
    assert not [each for each in found if any("GPL" in name or "General Public" in name for name in each.names)]


def test_the_bill_of_materials_is_valid_and_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - slow to import, and only this test needs it
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - as above

    bill, listed = tmp_path / "agent.cdx.json", tmp_path / "licences.txt"
    cyclonedx = Path(sys.executable).with_name("cyclonedx-py")
    made = [str(cyclonedx), "requirements", str(ROOT / "agent" / "requirements.txt"), "-o", str(bill)]
    subprocess.run(made, check=True, capture_output=True)
    monkeypatch.setattr(sys, "argv", ["licences", "--bill", str(bill), "--list", str(listed)])
    assert main() == 0
    content = json.loads(bill.read_text(encoding="utf-8"))
    assert all(component["licenses"] for component in content["components"])
    version = SchemaVersion.from_version(content["specVersion"])
    assert JsonStrictValidator(version).validate_str(bill.read_text(encoding="utf-8")) is None
    assert len(listed.read_text(encoding="utf-8").splitlines()) == len(content["components"])


@pytest.mark.parametrize(
    ("pins", "says"),
    [("no-such-package==1.0\n", "not installed"), ("boto3==0.1\n", "pinned as 0.1")],
    ids=["missing", "another version"],
)
def test_a_package_that_is_not_the_pinned_one_is_named(pins: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(pins)
    with pytest.raises(LicenceError, match=says):
        licences(path)

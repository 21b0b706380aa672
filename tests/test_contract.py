"""What several folders must agree on: said once, and repeated equally where it cannot be imported."""

from __future__ import annotations

import ast
import re
import sys

import pytest

import agent.caller
import agent.settings
import contract
from infra.page import OUTPUTS as PAGE_OUTPUTS
from local import ROOT
from local.run.outputs import ADDRESSES

NAMES = {str(field.alias) for field in contract.StackOutputs.model_fields.values()}


def test_it_imports_nothing_of_ours_and_no_provider() -> None:
    tree = ast.parse((ROOT / "contract.py").read_text(encoding="utf-8"))
    imported = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"pydantic"}


def test_the_agent_which_is_shipped_alone_repeats_it_equally() -> None:
    assert agent.caller.SESSION_HEADER == contract.SESSION_HEADER
    assert contract.ORIGIN_HEADER.lower() == agent.caller.ORIGIN_HEADER
    least, most = contract.SESSION_ID_LENGTH
    lengths = [length for length in range(most + 10) if agent.caller._SESSION_ID.fullmatch("a" * length)]
    assert (lengths[0], lengths[-1]) == (least, most)
    fields = agent.settings.Settings.model_fields
    assert fields["connection_seconds"].default == contract.STREAM_LIMIT_SECONDS
    assert fields["max_body_bytes"].default == contract.BODY_LIMIT_BYTES
    source = (ROOT / "agent" / "app.py").read_text(encoding="utf-8")
    assert f'Route("{contract.ROUTE}", ' in source


def test_the_page_which_is_another_language_repeats_it_equally() -> None:
    source = (ROOT / "web" / "src" / "agent-stream.ts").read_text(encoding="utf-8")
    (header,) = re.findall(r'const SESSION_HEADER = "([^"]+)"', source)
    assert header == contract.SESSION_HEADER


@pytest.mark.parametrize(
    "names", [PAGE_OUTPUTS, ADDRESSES], ids=["the page is told", "the local run moves to loopback"]
)
def test_what_is_read_by_its_name_is_an_output(names: tuple[str, ...]) -> None:
    assert set(names) <= NAMES


def test_no_other_file_says_the_headers_again() -> None:
    """A header's name in a string of ours, outside of the contract, what is shipped alone and the benchmark's peer."""
    folders = ("client", "infra", "local", "policy", "tools", "bench")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.parent.name != "cdk"]
    headers = (contract.SESSION_HEADER.lower(), contract.ORIGIN_HEADER.lower())
    again = [path.name for path in files if any(name in path.read_text("utf-8").lower() for name in headers)]
    assert again == []

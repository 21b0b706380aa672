"""What a finding tells to change is there to be changed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from client.doctor.checks.firewall import READS_PROSE
from local import ROOT
from tests.client.variants import Base


def strings() -> Iterator[tuple[str, str]]:
    """Every text in the doctor, and in its page, that may name a file or a setting."""
    for path in sorted((ROOT / "client" / "doctor").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value
    yield "troubleshooting.md", (ROOT / "docs" / "troubleshooting.md").read_text()


def test_every_file_and_name_in_a_hint_exists() -> None:
    sources = {
        path: path.read_text() for folder in ("infra", "agent", "client") for path in (ROOT / folder).rglob("*.py")
    }
    doctors = ROOT / "client" / "doctor"
    everything = "\n".join(text for path, text in sources.items() if doctors not in path.parents)
    agent = (ROOT / "agent" / "settings.py").read_text()  # a field is read from AGENT_ and its name
    settings = "\n".join(text for path, text in sources.items() if path.parent.name == "settings")
    lost = []
    for where, text in strings():
        for path in re.findall(r"\b(?:infra|agent|client|docs|local|tests)/[\w./-]+\.(?:py|md)\b", text):
            lost += [] if (ROOT / path).exists() else [(where, path)]
        for name in re.findall(r"\b[A-Z][A-Z]+(?:_[A-Z]+)+\b", text):
            field = name.removeprefix("AGENT_").lower()
            lost += [] if name in everything or f"    {field}:" in agent else [(where, name)]
        for name in re.findall(r"\b(?:api|firewall|runtime|identity|observability)\.([a-z]+[A-Z]\w+)", text):
            snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
            lost += [] if re.search(rf"^    {snake}:", settings, re.MULTILINE) else [(where, name)]
    assert lost == []


def test_the_rules_that_may_not_block_prose_are_those_that_the_stack_only_counts(base: Base) -> None:
    (acl,) = base.graph.all("aws:wafv2/webAcl:WebAcl")
    groups = [rule["statement"].get("managedRuleGroupStatement") for rule in acl.inputs["rules"]]
    counted = {
        group["name"]: {one["name"] for one in group["ruleActionOverrides"]}
        for group in groups
        if group and group.get("ruleActionOverrides")
    }
    assert counted == READS_PROSE

"""What an operator would search for leads to a row of docs/troubleshooting.md that says what to do."""

from __future__ import annotations

import re

import pytest

from local import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

SEARCHED = {
    "424": "log group",
    "RuntimeClientError": "log group",
    "initialization time exceeded": "imports",
    "pending operations": "pulumi refresh",
    "currently locked": "pulumi cancel",
    "Another update is currently in progress": "pulumi cancel",
    "stack rename": "new stack",
    "cannot be deleted because it is protected": "security.md",
    "unsupported Availability Zone": "network.zones",
    "longer than 4 KB": "fewer groups",
    "Temporary password has expired": "users add",
    "Exceeded daily email limit": "--no-invite",
    "LimitExceededException": "--no-invite",
    "GenAI Observability": "operations.md",
}
"""What AWS, Pulumi or a console says, and a word of the advice that goes with it."""


def rows() -> list[list[str]]:
    """The cells of each row that has what is said, its cause and what to do."""
    section = PAGE.partition("\n## Operating a stack\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in section.splitlines() if "|" in line
    ]


@pytest.mark.parametrize("words", SEARCHED)
def test_the_words_are_found_with_their_advice(words: str) -> None:
    found = [row for row in rows() if words in row[0]]
    assert found
    assert all(len(row) == 3 for row in found)
    assert any(SEARCHED[words] in row[2] for row in found)

"""Commands of others in the pages: what `aws` is asked for exists, with the options that the page gives it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from tests.docs.commands import commands
from tests.docs.pages import name, pages, spans

EVERYWHERE = {"query", "output", "region", "profile"}
"""Options of the AWS CLI itself."""


def lines(program: str) -> Iterator[tuple[str, str]]:
    """Every command line of a program, in fences and in sentences, with its page."""
    for command in commands():
        if command.line.startswith(f"{program} "):
            yield command.page, command.line
    for page in pages():
        for span in spans(page.read_text(encoding="utf-8")):
            if re.match(rf"{program} [a-z]", span):
                yield name(page), span


AWS = sorted(set(lines("aws")))
SESSION = botocore.session.get_session()


@pytest.mark.parametrize(("page", "line"), AWS, ids=lambda each: each[:80])
def test_an_operation_of_aws_exists_and_takes_the_options(page: str, line: str) -> None:
    _, service, operation, *rest = shlex.split(line)
    model = SESSION.get_service_model(service)
    known = {xform_name(each, "-"): each for each in model.operation_names}
    assert operation in known, page
    shape = model.operation_model(known[operation]).input_shape
    members = {xform_name(each, "-"): each for each in shape.members} if shape else {}
    given = {word.removeprefix("--") for word in rest if word.startswith("--")} - EVERYWHERE
    assert given <= set(members), page
    if given:  # a sentence may name the operation alone
        assert {xform_name(each, "-") for each in (shape.required_members if shape else [])} <= given, page


def test_there_are_commands_of_aws() -> None:
    assert len(AWS) >= 5

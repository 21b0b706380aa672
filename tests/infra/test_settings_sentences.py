"""Every way in which a value can be of the wrong kind or size is answered in the project's own words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from infra.config import StackConfig
from infra.settings.describe import allowed, bare, inside, section_model
from tests.infra.graphs import PROJECT, stack_settings
from tests.infra.test_settings import problems_of

Path = tuple[str, ...]

PYDANTICS = re.compile(r"input|should be|valid|instance|Settings|pattern|parse|literal|dictionary", re.IGNORECASE)
KINDS: tuple[Any, ...] = ("%", 1, 0.5, True, None, [], ["%"], {}, {"%": 1}, float("nan"), float("inf"))


def fields(path: Path = (), model: Any = StackConfig) -> Iterator[tuple[Path, FieldInfo]]:
    """Every key below a section, with the keys that lead to it; a team is called ``ops``."""
    for field in model.model_fields.values():
        here = (*path, str(field.alias))
        if path:
            yield here, field
        if get_origin(bare(field.annotation)) is dict:
            named = section_model(inside(field).annotation)
            yield from fields((*here, "ops"), named) if named else ()
        elif section_model(field.annotation):
            yield from fields(here, section_model(field.annotation))


def settings_with(path: Path, value: Any) -> dict[str, str]:
    """The development stack's settings with one value, and what a section in between needs."""
    settings = stack_settings("dev")
    section = json.loads(settings.get(f"{PROJECT}:{path[0]}", "{}"))
    holder = section
    for key in path[1:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    settings[f"{PROJECT}:{path[0]}"] = json.dumps(section)
    return settings


def wrong_values(field: FieldInfo) -> Iterator[Any]:
    """Values that are too little, too much, or of another kind than the field's."""
    for each in field.metadata:
        if isinstance(each, Ge | Gt):
            yield int(str(each.ge)) - 1 if isinstance(each, Ge) else each.gt
        if isinstance(each, Le):
            yield int(str(each.le)) + 1
        if isinstance(each, MaxLen):
            is_list = get_origin(bare(field.annotation)) is list
            yield ["%"] * (each.max_length + 1) if is_list else {f"t{n}": {} for n in range(each.max_length + 1)}
        if isinstance(each, MinLen):
            yield []
    yield from (value for value in KINDS if not is_of_the_kind(value, field))


def is_of_the_kind(value: Any, field: FieldInfo) -> bool:
    annotation = bare(field.annotation)
    kind = get_origin(annotation) or annotation
    if isinstance(value, bool) or value is None:
        return kind is bool if value is not None else field.default is None
    if kind is Literal:
        return value in get_args(annotation)
    if isinstance(value, float) and not math.isfinite(value):
        return kind is str
    # 1 is taken for true, a whole number for any number, and a number for text.
    kinds = {bool: (int,), int: (int,), float: (int, float), str: (str, int, float), list: (list,)}
    return isinstance(value, kinds.get(kind, (dict,)))


@pytest.mark.parametrize("path_and_field", [*fields()], ids=lambda each: ".".join(each[0]))
def test_a_wrong_value_is_answered_with_key_value_reason_and_what_to_write(
    path_and_field: tuple[Path, FieldInfo],
) -> None:
    path, field = path_and_field
    for value in wrong_values(field):
        found = [text for text in problems_of("dev", settings_with(path, value)) if ".".join(path) in text]
        assert found, value
        for text in found:
            about, _, instead = text.removesuffix(".").partition("; ")
            assert re.match(rf"{PROJECT}:{re.escape('.'.join(path))}\S* is .+, but .+$", about), text
            assert instead, text
            assert not PYDANTICS.search(text.partition(", but ")[2]), text


def test_what_to_write_names_the_bounds_the_choices_and_the_form() -> None:
    by_path = {".".join(path): allowed(field) for path, field in fields()}
    assert by_path["api.timeoutSeconds"] == "a whole number from 30 to 900"
    assert by_path["api.throttleRate"] == "a number above 0 and at most 1000"
    assert by_path["observability.blockedRequests"] == "a whole number of at least 1"
    assert by_path["identity.mfa"] == "none, optional or required"
    assert by_path["api.stageName"] == "at most 128 letters, digits and underscores"
    assert by_path["network.zones"] == "a list of 2 to 3, each a letter"
    assert by_path["api.teams"] == "at most 100 names, each with keys of its own, indented below it"
    assert by_path["runtime.environment"] == "at most 20 names, each with 1 to 1000 characters on one line"
    assert by_path["api.domain"] == "keys of its own, indented below it"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("api", "timeoutSeconds"), 901, "is 901, but 900 is the most; write a whole number from 30 to 900."),
        (("api", "timeoutSeconds"), "long", 'is "long", but that is not a whole number; write a whole number'),
        (("api", "timeoutSeconds"), True, "is true, but that is not a whole number; write a whole number"),
        (("api", "heartbeatSeconds"), 0, "is 0, but it must be above 0; write a number above 0."),
        (("api", "strictHost"), "maybe", 'is "maybe", but that is neither true nor false; write true or false.'),
        (("identity", "mfa"), False, "is false, but that is not one of the choices; write none, optional or required."),
        (("identity", "groups"), "a", 'is "a", but that is not a list; write a list of at most 25, each'),
        (("identity", "callbackUrls"), [], "is [], but 0 are too few; write a list of 1 to 100, each"),
        (("api", "domain"), "a.example", "but a section is not a single value; write keys of its own, indented below"),
    ],
)
def test_the_sentence_of(path: Path, value: Any, said: str) -> None:
    (found,) = problems_of("dev", settings_with(path, value))
    assert said in found


def test_a_section_that_is_a_single_value() -> None:
    (found,) = problems_of("dev", {**stack_settings("dev"), f"{PROJECT}:identity": "strict"})
    assert found == (
        f'{PROJECT}:identity is "strict", but a section is not a single value; '
        "write keys of its own, indented below it."
    )

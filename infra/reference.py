"""Writes docs/configuration.md from the settings' own models: ``python -m infra.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.config import StackConfig
from infra.settings.problems import HIDDEN, section_model

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEAD = """# Configuration

What may stand under `config:` in a `Pulumi.<stack>.yaml`. This page is made from the settings' own models by
`python -m infra.reference`; a test keeps it current.

Everything is checked before anything is declared, and all problems are reported together, each with its key, its value,
why it cannot work and what to write. A key that is not on this page is refused, with the nearest one that is.

```yaml
config:
  aws:region: us-east-1
  agent-stream:owner: my-team
  agent-stream:api:
    allowedOrigin: https://chat.example.com
```

Some values are bound to each other; the error then names both. The bindings between sections, and the rules that only a
production stack has, are in [infra/config.py](../infra/config.py).
"""


def render() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, *_top(), *_sections()]) + "\n"


def _top() -> Iterator[str]:
    yield "## The stack\n"
    yield from _table(
        (("aws:region" if name == "region" else f"agent-stream:{field.alias}"), field)
        for name, field in StackConfig.model_fields.items()
        if name not in HIDDEN and section_model(field.annotation) is None
    )


def _sections() -> Iterator[str]:
    for name, field in StackConfig.model_fields.items():
        model = section_model(field.annotation)
        if model is not None:
            yield from _section(f"agent-stream:{name}", field.description or "", model)


def _section(title: str, description: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"\n## `{title}`\n"
    yield f"{description} {model.__doc__ or ''}".strip() + "\n"
    yield from _table((str(field.alias), field) for field in model.model_fields.values())
    for field in model.model_fields.values():
        inner = _nested(field)
        if inner is not None:
            yield from _section(f"{title}.{field.alias}", field.description or "", inner)


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that holds keys of its own, itself or as the values of a mapping."""
    if get_origin(field.annotation) is dict:
        return section_model(get_args(field.annotation)[1])
    return section_model(field.annotation)


def _table(fields: Any) -> Iterator[str]:
    yield "| key | what it is | default | may be |"
    yield "|---|---|---|---|"
    for key, field in fields:
        cells = (f"`{key}`", field.description or "", _default(field), _allowed(field))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or isinstance(value, BaseModel):
        return "none" if value is None else "see below"
    if value in ("", [], {}):
        return "empty"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return "[" + ", ".join(str(item) for item in value) + "]" if isinstance(value, list) else str(value)


def _allowed(field: FieldInfo) -> str:
    words = [_type(field.annotation)]
    low = next((f"> {each.gt}" for each in field.metadata if isinstance(each, Gt)), "")
    low = low or next((f"≥ {each.ge:,}" for each in field.metadata if isinstance(each, Ge)), "")
    high = next((f"≤ {each.le:,}" for each in field.metadata if isinstance(each, Le)), "")
    high = high or next((f"< {each.lt:,}" for each in field.metadata if isinstance(each, Lt)), "")
    words += [bound for bound in (low, high) if bound]
    words += [f"at least {each.min_length}" for each in field.metadata if isinstance(each, MinLen) and each.min_length]
    words += [f"at most {each.max_length:,}" for each in field.metadata if isinstance(each, MaxLen)]
    return ", ".join(word for word in words if word)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return ", ".join(_type(choice) for choice in get_args(annotation) if choice is not NoneType)
    if get_origin(annotation) is list:
        return "list of text"
    if section_model(annotation) is not None or get_origin(annotation) is dict:
        return "keys of its own"
    return {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}.get(annotation, "")


def main() -> int:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes docs/configuration.md, and the table of outputs in docs/operations.md, from their models.

``python -m tools.reference``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contract import StackOutputs
from infra.config import StackConfig
from infra.settings.describe import allowed, bare, inside, section_model
from infra.settings.error_messages import HIDDEN

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
OPERATIONS = PAGE.parent / "operations.md"

HEAD = """# Configuration

The settings under `config:` in a `Pulumi.<stack>.yaml`. This page is made from the settings' own models by
`python -m tools.reference`, and the schema that a stack file names in its first line by `python -m tools.schema`; tests
keep both current. With the schema an editor with YAML support completes keys, describes them, and marks mistakes.

Everything is checked before anything is declared, and all problems are reported together, each with its key, its value,
why it cannot work and what to write. A key of `agent-stream:` that is not on this page is refused, with the nearest one
that is; a provider checks its own keys, such as `aws:profile`.

```yaml
config:
  aws:region: us-east-1
  agent-stream:owner: my-team
  agent-stream:api:
    allowedOrigin: https://chat.example.com
```

`agent-stream:` is the project's name in `Pulumi.yaml`. A key without it (`owner:`) is the project's too, whatever its
name; but Pulumi writes the name before such a key when it next touches the file, and drops the file's comments then.

`pulumi config set --secret --path 'agent-stream:observability.subscribers[0]'` stores an address encrypted; every
address is a secret in Pulumi's state. No other setting stays encrypted there, so a section that is encrypted without it
is refused.

Some values depend on each other; the error then names both. The rules between sections, and those that only a
production stack has, are in [infra/settings/rules.py](../infra/settings/rules.py).
"""


def render() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, *_top(), *_sections()]) + "\n"


def with_outputs(page: str) -> str:
    """The page of operations with the table of the contract's outputs."""
    rows = [f"| `{field.alias}` | {field.description} |" for field in StackOutputs.model_fields.values()]
    table = "\n".join(["| output | what it is |", "|---|---|", *rows])
    before, _, rest = page.partition("<!-- outputs -->\n")
    _, _, after = rest.partition("<!-- /outputs -->")
    return f"{before}<!-- outputs -->\n{table}\n<!-- /outputs -->{after}"


def _top() -> Iterator[str]:
    yield "## The stack\n"
    yield from _table(
        (("aws:region" if name == "region" else f"agent-stream:{field.alias}"), field)
        for name, field in StackConfig.model_fields.items()
        if name not in HIDDEN and section_model(field.annotation) is None
    )


def _sections() -> Iterator[str]:
    for name, field in StackConfig.model_fields.items():
        yield from _section(f"agent-stream:{name}", field)


def _section(title: str, field: FieldInfo) -> Iterator[str]:
    """The table of a field whose value is a section, or a mapping or list of sections; nothing for other fields."""
    holder = get_origin(bare(field.annotation))
    if holder in (dict, list):
        yield from _section(f"{title}.<name>" if holder is dict else f"{title}[]", inside(field))
        return
    model = section_model(field.annotation)
    if model is None:
        return
    yield f"\n## `{title}`\n"
    yield f"{model.__doc__}\n"
    yield from _table((str(inner.alias), inner) for inner in model.model_fields.values())
    for inner in model.model_fields.values():
        yield from _section(f"{title}.{inner.alias}", inner)


def _table(fields: Any) -> Iterator[str]:
    yield "| key | what it is | default | may be |"
    yield "|---|---|---|---|"
    for key, field in fields:
        cells = (f"`{key}`", field.description or "", _default(field), allowed(field, "`{}`".format))
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


def main() -> int:
    """Write both pages."""
    PAGE.write_text(render(), encoding="utf-8")
    OPERATIONS.write_text(with_outputs(OPERATIONS.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

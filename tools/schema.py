"""Writes the schema by which an editor completes and checks a stack file: ``python -m tools.schema``.

Each ``Pulumi.<stack>.yaml`` names it in its first line (``# yaml-language-server: $schema=…``), which the YAML support
of the common editors reads. It is made from the settings' own models. An editor knows types, choices and bounds; what
values have against each other, and against AWS, only the program says (``python -m local check``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from infra.config import StackConfig
from infra.settings.confidential import confidential_keys
from infra.settings.error_messages import HIDDEN

FILE = Path(__file__).resolve().parent.parent / "infra" / "settings" / "stack-file.schema.json"

ENCRYPTED: Mapping[str, Any] = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
    "description": "What pulumi config set --secret writes.",
}


class _AsInAFile(GenerateJsonSchema):
    """The models' schema as YAML meets it."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """A text may be written as a number: a guardrail's version 1."""
        return {**super().str_schema(schema), "type": ["string", "number"]}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A name that does not fit is no name."""
        told = super().dict_schema(schema)
        return {**told, "additionalProperties": False} if "patternProperties" in told else told

    def get_title_from_name(self, name: str) -> str:
        """The key itself: an editor shows it."""
        return name


def render(project: str) -> str:
    """The schema as JSON text; ``project`` is the namespace that a key may have or leave out."""
    schema = StackConfig.model_json_schema(schema_generator=_AsInAFile)
    definitions: dict[str, Any] = schema["$defs"]
    for section, key in confidential_keys(StackConfig):
        held = definitions[_section(schema, section)]["properties"][key]
        held["items"] = {"anyOf": [held["items"], ENCRYPTED]}
    keys = {
        key: {name: told for name, told in value.items() if name != "default"}  # a section's would be all its keys
        for key, value in schema["properties"].items()
        if key not in HIDDEN | {"region"}
    }
    known = "|".join(keys)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of this project",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": ["aws:region"],
                "properties": {
                    "aws:region": schema["properties"]["region"],
                    **{f"{project}:{key}": value for key, value in keys.items()},
                    **keys,
                },
                # Of the project's own, with its namespace or without; another provider's keys are its own to check.
                "patternProperties": {f"^({project}:)?(?!({known})$)[^:]+$": False},
            }
        },
        "$defs": definitions,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _section(schema: Mapping[str, Any], key: str) -> str:
    """The name of the definition that a section refers to."""
    refers: str = schema["properties"][key]["$ref"]
    return refers.rpartition("/")[2]


def project_name(root: Path = FILE.parents[2]) -> str:
    """The project's name, as Pulumi.yaml has it in a line of its own."""
    text = (root / "Pulumi.yaml").read_text(encoding="utf-8")
    return next(line.removeprefix("name:").strip() for line in text.splitlines() if line.startswith("name:"))


def main() -> int:
    """Write the schema."""
    FILE.write_text(render(project_name()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the JSON schema with which an editor completes and checks a stack file: ``python -m tools.schema``.

Each ``Pulumi.<stack>.yaml`` names it in its first line (``# yaml-language-server: $schema=…``), which the YAML support
of common editors reads. It is made from the settings' own models. An editor checks types, choices and bounds; only the
program checks contradictions between values and AWS's rules (``python -m local check``).
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


class _YamlSchema(GenerateJsonSchema):
    """The models' schema, for values as YAML reads them."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """A string may be written as a number, such as a guardrail's version 1."""
        return {**super().str_schema(schema), "type": ["string", "number"]}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Refuse keys that do not match the pattern."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def get_title_from_name(self, name: str) -> str:
        """The key itself, which an editor shows."""
        return name


def render(project: str) -> str:
    """The schema as JSON text; ``project`` is the namespace that a key may have or leave out."""
    schema = StackConfig.model_json_schema(schema_generator=_YamlSchema)
    definitions: dict[str, Any] = schema["$defs"]
    for section, key in confidential_keys(StackConfig):
        field = definitions[_section(schema, section)]["properties"][key]
        field["items"] = {"anyOf": [field["items"], ENCRYPTED]}
    keys = {
        key: {name: each for name, each in value.items() if name != "default"}  # a section's would be all its keys
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
                # Refuses unknown keys with the project's namespace or without one; providers check their own keys.
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
    """The project's name in Pulumi.yaml."""
    text = (root / "Pulumi.yaml").read_text(encoding="utf-8")
    return next(line.removeprefix("name:").strip() for line in text.splitlines() if line.startswith("name:"))


def main() -> int:
    """Write the schema."""
    FILE.write_text(render(project_name()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

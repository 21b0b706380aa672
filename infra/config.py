"""The settings of a stack: read once, checked once, before anything is declared.

Owns how a ``Pulumi.<stack>.yaml`` is read and checked; the settings themselves are in `infra.settings`. Reading is
pure: no AWS call, no look-up, so a preview needs no credentials. All problems are reported together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pulumi
from pydantic import ValidationError

from infra.component import StackContext
from infra.settings import source
from infra.settings.agent_environment import agent_environment
from infra.settings.base import Contradiction, Settings
from infra.settings.confidential import refusals
from infra.settings.environments import suggested_kind
from infra.settings.error_messages import (
    HIDDEN,
    KEYS_ELSEWHERE,
    SettingsError,
    contradiction_sentence,
    misplaced,
    of_another_project,
    sentence,
)
from infra.settings.rules import between_sections, for_production
from infra.settings.stack import StackSettings

__all__ = ["SettingsError", "StackConfig"]

# Placeholders for required values that are missing or wrong, so that the other values can still be checked.
_PLACEHOLDERS: Mapping[tuple[str, ...], Any] = {
    ("region",): "us-east-1",
    ("owner",): "nobody",
    ("project",): "agent-stream",
    ("stack",): "dev",
    ("runtime",): {"modelArns": ["arn:aws:bedrock:us-east-1::foundation-model/none"]},
    ("runtime", "modelArns"): ["arn:aws:bedrock:us-east-1::foundation-model/none"],
    ("website", "domain"): "chat.example.com",
}


class StackConfig(StackSettings):
    """A stack's settings, read and checked."""

    @property
    def context(self) -> StackContext:
        """What all components share."""
        return StackContext(
            name=self.name,
            region=self.region,
            tags=self.tags,
            protect=self.identity.protect,
            log_retention_days=self.observability.log_retention_days,
        )

    @property
    def agent_environment(self) -> dict[str, str]:
        """The agent's variables that follow from the settings; see `infra.settings.agent_environment`."""
        return agent_environment(self)

    def contradictions(self) -> Iterator[Contradiction]:
        """The contradictions between sections; see `Settings.contradictions`."""
        if self.environment not in (None, self.kind):
            yield Contradiction(
                ("environment", "stack"),
                f"a stack named {self.stack} has the rules of {self.named_kind}, and this key cannot lower them",
                f"write {self.kind}, or remove it",
            )
        if self.environment is None and self.named_kind != (suggested := suggested_kind(self.stack)):
            yield Contradiction(
                ("environment", "stack"),
                f"a stack named {self.stack} has the rules of {self.named_kind}, but its name suggests {suggested}",
                f"write {suggested}, or {self.named_kind} if that is intended",
            )
        yield from between_sections(self)
        if self.kind == "prod":
            yield from for_production(self)

    @classmethod
    def load(cls) -> StackConfig:
        """Read the running program's configuration, which the engine, the Automation API or a unit test has set.

        Raises:
            SettingsError: with every problem, when one or more values cannot work.
        """
        project = pulumi.get_project()
        known = [str(field.alias) for name, field in cls.model_fields.items() if name not in HIDDEN | {"region"}]
        given = source.read(project, known)
        return cls.parse(project, pulumi.get_stack(), given.values, secret=given.secret)

    @classmethod
    def parse(cls, project: str, stack: str, values: Mapping[str, Any], *, secret: Collection[str] = ()) -> StackConfig:
        """Check a flat mapping of Pulumi configuration keys (``aws:region``, ``<project>:<section>``).

        Args:
            project: its name in Pulumi.yaml, the namespace of its keys.
            stack: its name.
            values: as text, structured ones as JSON text.
            secret: the keys that are stored encrypted in whole or in part; no message shows their values.

        Raises:
            SettingsError: with every problem, when one or more values cannot work.
        """
        prefix = f"{project}:"
        own = {key.removeprefix(prefix): _decoded(value) for key, value in values.items() if key.startswith(prefix)}
        problems = [misplaced(project, key) for key in KEYS_ELSEWHERE if key in own]
        problems += of_another_project(project, values, [str(field.alias) for field in cls.model_fields.values()])
        given: dict[str, Any] = {key: value for key, value in own.items() if key not in KEYS_ELSEWHERE}
        given |= {"project": project, "stack": stack}
        if "aws:region" in values:
            given["region"] = values["aws:region"]
        hidden = {key.removeprefix(prefix) for key in secret if key.startswith(prefix)}
        problems += refusals(project, cls, {key: given[key] for key in sorted(hidden & given.keys())})
        wrong: set[tuple[str, ...]] = set()
        while True:
            try:
                config = cls.model_validate(given)
                break
            except ValidationError as error:
                for detail in error.errors():
                    problems.append(sentence(project, cls, detail, hidden))
                    wrong.add(_set_aside(given, tuple(str(part) for part in detail["loc"])))
        problems += _contradictions(project, config, wrong, hidden)
        if problems:
            raise SettingsError(stack, problems)
        return config


def _decoded(value: Any) -> Any:
    """A section as a new mapping, which may be changed while checking; plain text as it is.

    Pulumi hands a program every structured value as JSON text.
    """
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value
    if isinstance(parsed, dict):
        return dict(parsed)
    return parsed if isinstance(parsed, list | None) else value


def _set_aside(given: dict[str, Any], location: tuple[str, ...]) -> tuple[str, ...]:
    """Remove a wrong value (or replace it by a placeholder if it is required), so that the rest can be checked.

    Returns the path of that value: a section or a key of a section.
    """
    path = location[:2] if isinstance(given.get(location[0]), dict) else location[:1]
    parent = given[path[0]] if len(path) == 2 else given
    if path in _PLACEHOLDERS:
        parent[path[-1]] = _PLACEHOLDERS[path]
    else:
        parent.pop(path[-1], None)
    return path


def _contradictions(
    project: str, config: StackConfig, wrong: set[tuple[str, ...]], hidden: Collection[str]
) -> Iterator[str]:
    """The message of each contradiction between values that are valid by themselves."""
    values = config.model_dump(by_alias=True, mode="json")
    found = [("", each) for each in config.contradictions()]
    for name, field in type(config).model_fields.items():
        section = getattr(config, name)
        if isinstance(section, Settings):
            found += [(field.alias or name, each) for each in section.contradictions()]
    for section_name, each in found:
        paths = {tuple(".".join(part for part in (section_name, key) if part).split(".")) for key in each.keys}
        if not any(path[: len(bad)] == bad for path in paths for bad in wrong):
            yield contradiction_sentence(project, section_name, each, values, hidden)

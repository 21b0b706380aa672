"""The settings of a stack: read once, checked once, before anything is declared.

Owns how the sections of `infra.settings` make up a ``Pulumi.<stack>.yaml``, and what follows from them. Reading is
pure: no AWS call, no look-up, so a preview needs no credentials. All problems are reported together.

*Environment* is the kind of stack: ``prod`` carries rules that the others do not. It follows from the stack's name, and
the file may only raise it: so a second production stack (``prod-eu``) is not mistaken for something lesser, and no line
of a file switches production's rules off.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, get_args

import pulumi
from pydantic import Field, ValidationError

from infra.component import StackContext
from infra.settings import source
from infra.settings.agent_environment import agent_environment
from infra.settings.api import ApiSettings
from infra.settings.base import Contradiction, Settings
from infra.settings.confidential import refusals
from infra.settings.environments import Environment, meant_kind, named_kind
from infra.settings.firewall import FirewallSettings
from infra.settings.forms import Form
from infra.settings.identity import IdentitySettings
from infra.settings.network import NetworkSettings
from infra.settings.observability import ObservabilitySettings
from infra.settings.problems import (
    HIDDEN,
    KEYS_ELSEWHERE,
    SettingsError,
    contradiction_sentence,
    misplaced,
    sentence,
)
from infra.settings.regions import REGION
from infra.settings.rules import between_sections, for_production
from infra.settings.runtime import RuntimeSettings

__all__ = [
    "ApiSettings",
    "FirewallSettings",
    "IdentitySettings",
    "NetworkSettings",
    "ObservabilitySettings",
    "RuntimeSettings",
    "SettingsError",
    "StackConfig",
]

# AgentCore allows a runtime's name 48 characters (project, a hyphen, stack, and `_image` for a container), IAM a role's
# 64 (the same two, `-gateway-logs` and what Pulumi adds), and the name of an image's repository no two hyphens in a row
# (https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_ContainerConfiguration.html).
PROJECT = Form(
    "at most 25 lower-case letters, digits and single hyphens between them, the first a letter",
    r"(?=.{1,25}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    why="every name begins with it, and AWS bounds names",
)
STACK = Form(
    "at most 16 lower-case letters, digits and single hyphens between them, the first a letter",
    r"(?=.{1,16}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    why="it becomes part of every name, and AWS bounds names",
)
# The characters that every service takes in a tag's value; AgentCore's are the fewest
# (https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_CreateAgentRuntime.html).
OWNER = Form(
    "at most 256 letters without accents, digits, blanks and . _ : / = + @ -, the first a letter or digit",
    r"(?!(?i:aws:))[A-Za-z0-9][A-Za-z0-9 ._:/=+@-]{0,255}",
    why="every resource is tagged with it, and AWS refuses it as a tag",
)

# What stands in for a required value that is missing or wrong while the other values are still being checked.
_STAND_INS: Mapping[tuple[str, ...], Any] = {
    ("region",): "us-east-1",
    ("owner",): "nobody",
    ("project",): "agent-stream",
    ("stack",): "dev",
    ("runtime",): {"modelArns": ["arn:aws:bedrock:us-east-1::foundation-model/none"]},
    ("runtime", "modelArns"): ["arn:aws:bedrock:us-east-1::foundation-model/none"],
}


class StackConfig(Settings):
    """Everything a stack file may say, section by section."""

    project: Annotated[str, PROJECT]
    stack: Annotated[str, STACK]
    region: Annotated[str, REGION] = Field(description="Where everything is declared.")
    owner: Annotated[str, OWNER] = Field(description="The team that answers for this stack; every resource is tagged.")
    environment: Environment | None = Field(
        None,
        description="prod carries rules that the others do not. Left out: prod for a stack named prod…, staging for "
        "one named stag…, dev otherwise. It may raise what the name says, never lower it.",
    )
    identity: IdentitySettings = IdentitySettings()
    firewall: FirewallSettings = FirewallSettings()
    api: ApiSettings = ApiSettings()
    runtime: RuntimeSettings
    observability: ObservabilitySettings = ObservabilitySettings()
    network: NetworkSettings | None = None

    @property
    def name(self) -> str:
        """``<project>-<stack>``: the prefix of every physical name."""
        return f"{self.project}-{self.stack}"

    @property
    def named_kind(self) -> Environment:
        """The environment that the stack's name says."""
        return named_kind(self.stack)

    @property
    def kind(self) -> Environment:
        """The environment: the file's, or the name's where that is higher."""
        return max(self.environment or "dev", self.named_kind, key=get_args(Environment).index)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that can carry any."""
        return {"project": self.project, "stack": self.stack, "environment": self.kind, "owner": self.owner}

    @property
    def context(self) -> StackContext:
        """What every component is given."""
        return StackContext(
            name=self.name,
            region=self.region,
            tags=self.tags,
            protect=self.identity.protect,
            log_retention_days=self.observability.log_retention_days,
        )

    @property
    def stage_name(self) -> str:
        """The API's stage: the stack's name, in characters that an address takes for sure."""
        return self.api.stage_name or self.stack.replace("-", "_")

    @property
    def run_seconds(self) -> float:
        """Longest run, in seconds."""
        return self.runtime.run_seconds or self.api.run_timeout_seconds

    @property
    def detached_seconds(self) -> float:
        """How long a run goes on that nobody reads, in seconds."""
        return min(self.runtime.detached_seconds, self.run_seconds)

    @property
    def keep_seconds(self) -> int:
        """How long the events of a finished run can still be read, in seconds."""
        return min(self.runtime.keep_seconds, self.runtime.idle_session_seconds)

    @property
    def agent_environment(self) -> dict[str, str]:
        """The agent's variables that follow from the settings; see `infra.settings.agent_environment`."""
        return agent_environment(self)

    def contradictions(self) -> Iterator[Contradiction]:
        """Everything that is wrong between sections; see `Settings.contradictions`."""
        if self.environment not in (None, self.kind):
            yield Contradiction(
                ("environment", "stack"),
                f"the stack is named {self.stack}, and this key may only add to the rules that go with the name",
                f"write {self.kind}, or remove it",
            )
        if self.environment is None and self.named_kind != (meant := meant_kind(self.stack)):
            yield Contradiction(
                ("environment", "stack"),
                f"a stack named {self.stack} would have the rules of {self.named_kind}, and by its name it may be more",
                f"write {meant}, or {self.named_kind} where that is what it is",
            )
        yield from between_sections(self)
        if self.kind == "prod":
            yield from for_production(self)

    @classmethod
    def load(cls) -> StackConfig:
        """Read the running program's configuration, which the engine, the Automation API or a unit test has filled.

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
            secret: the keys that are stored encrypted in whole or in part; no message shows what they hold.

        Raises:
            SettingsError: with every problem, when one or more values cannot work.
        """
        prefix = f"{project}:"
        own = {key.removeprefix(prefix): _decoded(value) for key, value in values.items() if key.startswith(prefix)}
        problems = [misplaced(project, key) for key in KEYS_ELSEWHERE if key in own]
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
    """A section as a mapping of its own, which may be changed while checking; plain text as it is.

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
    """Take a wrong value out (or put a stand-in where one is required), so that the rest can be checked.

    Returns the key that was set aside: a section or a key of a section.
    """
    path = location[:2] if isinstance(given.get(location[0]), dict) else location[:1]
    holder = given[path[0]] if len(path) == 2 else given
    if path in _STAND_INS:
        holder[path[-1]] = _STAND_INS[path]
    else:
        holder.pop(path[-1], None)
    return path


def _contradictions(
    project: str, config: StackConfig, wrong: set[tuple[str, ...]], hidden: Collection[str]
) -> Iterator[str]:
    """The sentences of every contradiction between values that are right by themselves."""
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

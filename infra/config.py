"""The settings of a stack: read once, checked once, before anything is declared.

Owns how the sections of `infra.settings` make up a ``Pulumi.<stack>.yaml``, and the rules between sections. Reading
is pure: no AWS call, no look-up, so a preview needs no credentials. All problems are reported together.

*Environment* is the kind of stack: ``prod`` carries rules that the others do not. It follows from the stack's name
unless the file says it, so that a second production stack (``prod-eu``) is not mistaken for something lesser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import pulumi
from pydantic import BeforeValidator, Field, ValidationError, field_validator

from infra.settings.api import ApiSettings
from infra.settings.base import Contradiction, Settings, impossible
from infra.settings.firewall import FirewallSettings
from infra.settings.identity import IdentitySettings
from infra.settings.network import NetworkSettings
from infra.settings.observability import ObservabilitySettings
from infra.settings.problems import SettingsError, contradiction_sentence, sentence
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

Environment = Literal["dev", "staging", "prod"]

# What stands in for a required value that is missing or wrong while the other values are still being checked.
_STAND_INS: Mapping[tuple[str, ...], Any] = {
    ("region",): "us-east-1",
    ("owner",): "nobody",
    ("stack",): "dev",
    ("runtime",): {"modelArns": ["arn:aws:bedrock:us-east-1::foundation-model/none"]},
    ("runtime", "modelArns"): ["arn:aws:bedrock:us-east-1::foundation-model/none"],
}


def _parse_json(value: object) -> object:
    """Pulumi hands a program every structured value as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        raise impossible("a section holds keys of its own", "write them indented below it") from None


class StackConfig(Settings):
    """Everything a stack file may say, section by section."""

    project: str
    stack: str
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="Where everything is declared.")
    owner: str = Field(
        min_length=1, max_length=256, description="The team that answers for this stack; every resource is tagged."
    )
    environment: Environment | None = Field(
        None,
        description="prod carries rules that the others do not. Left out: prod for a stack named prod…, staging for "
        "one named stag…, dev otherwise.",
    )
    identity: Annotated[IdentitySettings, BeforeValidator(_parse_json)] = Field(
        IdentitySettings(), description="The user pool."
    )
    firewall: Annotated[FirewallSettings, BeforeValidator(_parse_json)] = Field(
        FirewallSettings(), description="The web ACL."
    )
    api: Annotated[ApiSettings, BeforeValidator(_parse_json)] = Field(ApiSettings(), description="The REST API.")
    runtime: Annotated[RuntimeSettings, BeforeValidator(_parse_json)] = Field(description="The agent in AgentCore.")
    observability: Annotated[ObservabilitySettings, BeforeValidator(_parse_json)] = Field(
        ObservabilitySettings(), description="Logs, alarms, dashboard."
    )
    network: Annotated[NetworkSettings | None, BeforeValidator(_parse_json)] = Field(
        None, description="The private way to the runtime; only with bypassProtection: private."
    )

    @field_validator("stack")
    @classmethod
    def _fits_every_name(cls, value: str) -> str:
        if re.fullmatch(r"[a-z][a-z0-9-]{0,15}", value):
            return value
        raise impossible(
            "the stack's name becomes part of names that AWS bounds",
            "use at most 16 lower-case letters, digits and hyphens, the first a letter",
        )

    @property
    def name(self) -> str:
        """``<project>-<stack>``: the prefix of every physical name."""
        return f"{self.project}-{self.stack}"

    @property
    def kind(self) -> Environment:
        """The environment, from the file or from the stack's name."""
        if self.environment is not None:
            return self.environment
        return "prod" if self.stack.startswith("prod") else "staging" if self.stack.startswith("stag") else "dev"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that can carry any."""
        return {"project": self.project, "stack": self.stack, "environment": self.kind, "owner": self.owner}

    @property
    def stage_name(self) -> str:
        """The API's stage; API Gateway allows letters, digits and underscores."""
        return self.api.stage_name or self.stack.replace("-", "_")

    @property
    def agent_environment(self) -> dict[str, str]:
        """The agent's variables that follow from the settings; one without a value is left out."""
        runtime = self.runtime
        variables = {
            "AGENT_NAME": self.name,
            "AGENT_REGION": self.region,
            "AGENT_MODEL": runtime.model,
            "AGENT_GUARDRAIL_ID": runtime.guardrail_id,
            "AGENT_GUARDRAIL_VERSION": runtime.guardrail_version,
            "AGENT_MAX_TOKENS": str(runtime.max_tokens),
            "AGENT_MAX_PROMPT_CHARS": str(runtime.max_prompt_chars),
            "AGENT_MAX_MESSAGES": str(runtime.max_messages),
            "AGENT_LOG_PROMPTS": "true" if runtime.log_prompts else "",
            "AGENT_HEARTBEAT_SECONDS": f"{self.api.heartbeat_seconds:g}",
            "AGENT_RUN_TIMEOUT_SECONDS": f"{self.api.run_timeout_seconds:g}",
            "AGENT_ALLOWED_ORIGIN": self.api.allowed_origin,
        }
        return {name: value for name, value in variables.items() if value}

    def contradictions(self) -> Iterator[Contradiction]:
        """Everything that is wrong between sections; see `Settings.contradictions`."""
        if (self.runtime.bypass_protection == "private") != (self.network is not None):
            yield Contradiction(
                ("network", "runtime.bypassProtection"),
                f"bypassProtection is {self.runtime.bypass_protection}: the private way needs a network, and the "
                "others have no use for one",
                "write network with bypassProtection: private, and leave both out otherwise",
            )
        # A character of a prompt is four bytes of UTF-8 at most, but prose is mostly one; twice the limit is a slip.
        if self.runtime.max_prompt_chars > self.firewall.body_limit_kb * 1024:
            yield Contradiction(
                ("runtime.maxPromptChars", "firewall.bodyLimitKb"),
                f"a prompt of {self.runtime.max_prompt_chars} characters does not fit into a body of "
                f"{self.firewall.body_limit_kb} KB",
                "lower maxPromptChars or raise bodyLimitKb",
            )
        domain = self.api.domain
        if domain and self.api.endpoint_type == "EDGE" and not domain.certificate_arn and self.region != "us-east-1":
            yield Contradiction(
                ("api.domain.certificateArn", "api.endpointType", "region"),
                "an EDGE host name needs its certificate in us-east-1, and this stack declares in " + self.region,
                "write the certificateArn of one in us-east-1",
            )
        if self.kind == "prod":
            yield from self._production_contradictions()

    def _production_contradictions(self) -> Iterator[Contradiction]:
        """What a production stack may not do."""
        refused = (
            ("api.allowedOrigin", self.api.allowed_origin == "*", "any page could call the API", "write one origin"),
            (
                "runtime.bypassProtection",
                self.runtime.bypass_protection == "none",
                "a caller with a token could go round WAF, throttle and log to the runtime",
                "write origin-secret or private",
            ),
            (
                "runtime.logPrompts",
                self.runtime.log_prompts,
                "prompts are personal data and would stand in the log",
                "write false",
            ),
            (
                "identity.idTokenMinutes",
                self.identity.id_token_minutes > 60,
                "an ID token cannot be taken back, so it must end soon",
                "write 60 or less",
            ),
            (
                "identity.deletionProtection",
                not self.identity.deletion_protection,
                "a slip would delete every user's account",
                "write true",
            ),
            (
                "identity.protect",
                not self.identity.protect,
                "a replaced user pool loses every user's account",
                "write true",
            ),
            (
                "identity.callbackUrls",
                any(url.startswith("http://") for url in self.identity.callback_urls),
                "a page on a developer's machine could receive the users' authorization codes",
                "write https:// addresses only",
            ),
        )
        for key, wrong, why, instead in refused:
            if wrong:
                yield Contradiction((key,), f"this is a production stack, where {why}", instead)

    @classmethod
    def load(cls) -> StackConfig:
        """Read the running program's configuration.

        Raises:
            SettingsError: with every problem, when one or more values cannot work.
        """
        return cls.parse(pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.config.get_config_env())

    @classmethod
    def parse(cls, project: str, stack: str, values: Mapping[str, Any]) -> StackConfig:
        """Check a flat mapping of Pulumi configuration keys (``aws:region``, ``<project>:<section>``).

        Raises:
            SettingsError: with every problem, when one or more values cannot work.
        """
        prefix = f"{project}:"
        own = {key.removeprefix(prefix): _decoded(value) for key, value in values.items() if key.startswith(prefix)}
        given: dict[str, Any] = {**own, "project": project, "stack": stack}
        if "aws:region" in values:
            given["region"] = values["aws:region"]
        problems: list[str] = []
        wrong: set[tuple[str, ...]] = set()
        while True:
            try:
                config = cls.model_validate(given)
                break
            except ValidationError as error:
                for detail in error.errors():
                    problems.append(sentence(project, cls, detail))
                    wrong.add(_set_aside(given, tuple(str(part) for part in detail["loc"])))
        problems += _contradictions(project, config, wrong)
        if problems:
            raise SettingsError(stack, problems)
        return config


def _decoded(value: Any) -> Any:
    """A section as a mapping of its own, which may be changed while checking; anything else as it is."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value
    return dict(parsed) if isinstance(parsed, dict) else value


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


def _contradictions(project: str, config: StackConfig, wrong: set[tuple[str, ...]]) -> Iterator[str]:
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
            yield contradiction_sentence(project, section_name, each, values)

"""The settings of a stack: read once, checked once, before anything is declared.

Owns the shape, the defaults and the bounds of everything that may stand in a ``Pulumi.<stack>.yaml``. Reading is
pure: no AWS call, no look-up, so a preview needs no credentials. All problems are reported together, each as a
sentence with the key, the value, why it cannot work and what to write instead.

"Idle limit" is API Gateway's: how long a stream may stay silent before the gateway cuts it. It depends on the
endpoint type (https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import pulumi
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

EndpointType = Literal["REGIONAL", "EDGE", "PRIVATE"]
TransferMode = Literal["STREAM", "BUFFERED"]

IDLE_LIMIT_SECONDS: Mapping[EndpointType, int] = {"REGIONAL": 300, "PRIVATE": 300, "EDGE": 30}
"""Seconds of silence after which API Gateway cuts a stream, by endpoint type."""

HEARTBEAT_MARGIN = 2
"""The idle limit must be at least this many heartbeats long, so that one late heartbeat does not cost the stream."""

STREAM_LIMIT_SECONDS = 900
BUFFERED_LIMIT_SECONDS = 29
"""A buffered integration may not exceed 29 s without a quota increase for the account and Region."""


class SettingsError(pulumi.RunError):
    """Raised with every problem found in a stack's settings; Pulumi prints it without a traceback."""

    def __init__(self, stack: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__(f"Pulumi.{stack}.yaml has {count}; nothing was declared:\n{lines}")


def _impossible(why: str, instead: str) -> PydanticCustomError:
    return PydanticCustomError("impossible", "{why}; {instead}", {"why": why, "instead": instead})


class Settings(BaseModel):
    """A section of the stack file: camelCase keys, no unknown ones, never changed after loading."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_default=True)


class IdentitySettings(Settings):
    """Who may sign in, and for how long a sign-in lasts."""

    self_sign_up: bool = Field(False, description="Anybody may create an account; otherwise an administrator does.")
    id_token_minutes: int = Field(
        60,
        ge=5,
        le=1440,
        description="Lifetime of ID and access tokens. A token cannot be taken back before it ends: "
        "API Gateway and AgentCore validate it offline.",
    )
    refresh_token_days: int = Field(30, ge=1, le=3650, description="Lifetime of a sign-in.")
    callback_urls: list[str] = Field(
        ["http://localhost:5173/"],
        min_length=1,
        description="Where the login page may send the browser back to.",
    )


class FirewallSettings(Settings):
    """What the web ACL refuses."""

    body_limit_kb: int = Field(
        64,
        ge=8,
        le=64,
        description="Larger request bodies are blocked. WAF inspects 64 KB at most and would let the rest pass unseen.",
    )
    requests_per_address: int = Field(
        600,
        ge=10,
        le=2_000_000_000,
        description="Requests from one address in five minutes before it is blocked.",
    )


class ApiSettings(Settings):
    """The REST API that streams."""

    endpoint_type: EndpointType = Field("REGIONAL", description="Where the API answers. EDGE cuts silence after 30 s.")
    stage_name: str = Field("", pattern=r"^[A-Za-z0-9_]{0,128}$", description="Empty: the stack's name.")
    response_transfer_mode: TransferMode = Field("STREAM", description="BUFFERED holds every word until the last.")
    timeout_seconds: int = Field(900, ge=1, le=STREAM_LIMIT_SECONDS, description="Longest answer, first to last byte.")
    heartbeat_seconds: float = Field(
        10,
        gt=0,
        description="Silence after which the agent sends an SSE comment, so that no limit cuts the stream.",
    )
    allowed_origin: str = Field(
        "",
        description="Origin of the page that calls the API from a browser, or * for any. Empty: no browser.",
    )
    throttle_rate: float = Field(20, gt=0, le=10_000, description="Steady requests per second for the stage.")
    throttle_burst: int = Field(40, ge=1, le=5_000, description="Requests the stage takes at once.")

    @field_validator("allowed_origin")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        if value in ("", "*") or re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?", value):
            return value
        raise _impossible(
            "a browser sends an origin as scheme, host and port, and compares it letter by letter",
            "write it like https://chat.example.com, without a path or a trailing slash",
        )

    @property
    def idle_limit_seconds(self) -> int:
        """Seconds of silence after which API Gateway cuts the stream."""
        return IDLE_LIMIT_SECONDS[self.endpoint_type]

    @model_validator(mode="after")
    def _heartbeat_beats_the_idle_limit(self) -> ApiSettings:
        longest = self.idle_limit_seconds / HEARTBEAT_MARGIN
        if self.heartbeat_seconds > longest:
            raise _impossible(
                f"heartbeatSeconds is {self.heartbeat_seconds:g} and a {self.endpoint_type} endpoint cuts a stream "
                f"after {self.idle_limit_seconds} s of silence",
                f"write {longest:g} or less",
            )
        return self

    @model_validator(mode="after")
    def _only_streams_outlast_29_seconds(self) -> ApiSettings:
        if self.response_transfer_mode == "BUFFERED" and self.timeout_seconds > BUFFERED_LIMIT_SECONDS:
            raise _impossible(
                f"timeoutSeconds is {self.timeout_seconds} and a BUFFERED integration ends at "
                f"{BUFFERED_LIMIT_SECONDS} s",
                f"write STREAM, or timeoutSeconds: {BUFFERED_LIMIT_SECONDS}",
            )
        return self


class RuntimeSettings(Settings):
    """The agent in AgentCore."""

    model: str = Field(
        "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
        pattern=r"^bedrock:\S+$",
        description="bedrock:MODEL_ID; the local run puts its own model in place of it.",
    )
    model_arns: list[str] = Field(
        min_length=1,
        description="The models and inference profiles that the agent's role may invoke, and no others.",
    )
    bypass_protection: Literal["none", "origin-secret"] = Field(
        "origin-secret",
        description="What stops a caller with a token from going round the API to the runtime.",
    )
    idle_session_seconds: int = Field(900, ge=60, le=1_209_600, description="Silence after which a microVM ends.")
    session_seconds: int = Field(28_800, ge=60, le=1_209_600, description="Longest life of a microVM.")

    @field_validator("model_arns")
    @classmethod
    def _names_models(cls, value: list[str]) -> list[str]:
        for arn in value:
            if not re.fullmatch(r"arn:aws[a-z-]*:bedrock:[^:]*:[^:]*:(foundation-model|inference-profile)/[^*]+", arn):
                raise _impossible(
                    f"{arn} is not the ARN of one Bedrock model or inference profile",
                    "write arn:aws:bedrock:REGION::foundation-model/ID or "
                    "arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID",
                )
        return value


def _parse_json(value: object) -> object:
    """Pulumi hands a program every structured value as JSON text."""
    return json.loads(value) if isinstance(value, str) else value


class StackConfig(Settings):
    """Everything a stack file may say, section by section."""

    project: str
    stack: str
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="aws:region")
    owner: str = Field(min_length=1, max_length=256, description="The team that answers for this stack.")
    identity: Annotated[IdentitySettings, BeforeValidator(_parse_json)] = IdentitySettings()
    firewall: Annotated[FirewallSettings, BeforeValidator(_parse_json)] = FirewallSettings()
    api: Annotated[ApiSettings, BeforeValidator(_parse_json)] = ApiSettings()
    runtime: Annotated[RuntimeSettings, BeforeValidator(_parse_json)]

    @field_validator("stack")
    @classmethod
    def _fits_every_name(cls, value: str, info: ValidationInfo) -> str:
        if re.fullmatch(r"[a-z][a-z0-9-]{0,15}", value):
            return value
        raise _impossible(
            f"the stack name {value!r} becomes part of names that AWS bounds",
            "use at most 16 lower-case letters, digits and hyphens, the first a letter",
        )

    @property
    def name(self) -> str:
        """``<project>-<stack>``: the prefix of every physical name."""
        return f"{self.project}-{self.stack}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that can carry any."""
        return {"project": self.project, "stack": self.stack, "owner": self.owner}

    @property
    def stage_name(self) -> str:
        """The API's stage; API Gateway allows letters, digits and underscores."""
        return self.api.stage_name or self.stack.replace("-", "_")

    @property
    def agent_environment(self) -> dict[str, str]:
        """What the agent must know of the API in front of it; a variable without a value is left out."""
        variables = {
            "AGENT_HEARTBEAT_SECONDS": f"{self.api.heartbeat_seconds:g}",
            "AGENT_RUN_TIMEOUT_SECONDS": str(self.api.timeout_seconds),
            "AGENT_ALLOWED_ORIGIN": self.api.allowed_origin,
        }
        return {name: value for name, value in variables.items() if value}

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
        own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        given = {"project": project, "stack": stack, **own}
        if "aws:region" in values:
            given["region"] = values["aws:region"]
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(stack, [_sentence(project, detail) for detail in error.errors()]) from None


def _sentence(project: str, detail: ErrorDetails) -> str:
    """One validation error as a sentence: the key, the value, why, what to write."""
    path = [str(part) for part in detail["loc"]]
    key = "aws:region" if path[:1] == ["region"] else f"{project}:{'.'.join(path)}"
    kind = detail["type"]
    if kind == "missing":
        return f"{key} is missing; write {key}: <value> under config."
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_known_keys(path[:-1]))}."
        return f"{key} is not a setting; {hint}"
    reason = detail["msg"][0].lower() + detail["msg"][1:]
    if kind == "impossible":
        return f"{key}: {reason}."
    return f"{key} is {json.dumps(detail['input'], default=str)}, but {reason}."


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = StackConfig
    for part in path:
        found = next((f.annotation for f in model.model_fields.values() if f.alias == part), None)
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return []
        model = found
    return list(_writable_keys(model))


def _writable_keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in ("project", "stack"):
            yield field.alias or name

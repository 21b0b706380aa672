"""The agent's settings, read once from the environment at start-up.

Every problem is reported in one sentence that names the variable and what to write instead; the process then exits
with code 2. `docs/agent.md` has the table.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

__all__ = ["Settings", "SettingsError", "as_settings_error"]

MODEL_FORMS = "bedrock:MODEL_ID, openai:MODEL, ollama:NAME or scripted"
# AGENT_ variables that are not this agent's; this one is read by the AWS distribution of OpenTelemetry:
# https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-configure.html
_FOREIGN_VARIABLES = {"AGENT_OBSERVABILITY_ENABLED"}

_logger = logging.getLogger(__name__)

# Bounded: a socket timeout must fit a machine word, or every model call would fail.
Seconds = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class SettingsError(Exception):
    """The environment is invalid; the text is one sentence for the person who wrote it."""


@contextmanager
def as_settings_error(what: str) -> Iterator[None]:
    """Turn any exception of the block, which makes `what` from its settings, into a SettingsError of one sentence."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise SettingsError(f"{what} cannot be used: {type(error).__name__}: {reason}.") from error


class Settings(BaseModel):
    """The agent's settings. Times are seconds; field `x` is read from the variable `AGENT_X`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """`bedrock:MODEL_ID`, `openai:MODEL`, `ollama:NAME` or `scripted`."""
    # Loopback by default; the deployed runtime sets 0.0.0.0, which AgentCore requires:
    # https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    name: str = Field(default="agent", min_length=1, max_length=128)
    """The metrics' dimension `Agent`, which distinguishes several agents in one account."""
    region: str | None = None
    guardrail_id: str | None = None
    guardrail_version: str | None = None
    guardrail_stream: Literal["sync", "async"] = "sync"
    """`sync`: a guardrail checks text before it is sent; `async`: it checks in parallel, so text may be sent before it
    is blocked."""
    openai_base_url: str | None = None
    """The base URL for `openai:MODEL`; None: OpenAI's own."""
    secrets: dict[str, str] = Field(default_factory=dict)
    """Environment variables to set at start-up, each from the secret or parameter with this ARN."""
    max_tokens: int | None = Field(default=None, ge=1)
    heartbeat_seconds: Seconds = 15.0
    session_from: Literal["user", "thread", "header"] = "user"
    """Where the session id comes from; with `user` it must be the caller's `sub`."""
    connection_seconds: Seconds = 900.0
    """The longest time that a connection may read: API Gateway ends it then, and the agent may not be told."""
    run_seconds: Seconds = 870.0
    """The longest run, including the time that it waits for earlier runs of its thread."""
    detached_seconds: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 300.0
    """How long a run continues without a reader; 0 ends it at once."""
    keep_seconds: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 300.0
    """How long the events of a run are kept after its end."""
    when_busy: Literal["interrupt", "queue", "reject"] = "interrupt"
    """What a new question does to the run that is under way in its thread: end it, wait for it, or be refused."""
    module: str = "agent.agent"
    """The module whose `build_agent` makes the agent."""
    caller_history: Literal["ignore", "use"] = "ignore"
    """Whether earlier messages in a request become the history where the agent has none."""
    media_hosts: frozenset[str] = frozenset()
    """Hosts from which images and documents may be fetched."""
    keep_media: Literal["note", "keep"] = "note"
    """Whether images and documents are kept in the history or replaced by a note."""
    tool_errors: Literal["model", "run"] = "model"
    """Whether the exception of a tool goes to the model as an error result, or ends the run."""
    origin_secret: SecretStr | None = None
    origin_secret_previous: SecretStr | None = None
    allowed_origin: str | None = None
    memory_id: str | None = None
    require_user: bool = True
    log_prompts: bool = False
    detect_blocking: bool = False
    max_prompt_chars: int = Field(default=32_000, ge=1)
    max_messages: int = Field(default=200, ge=1)
    """The most messages of a history."""
    max_body_bytes: int = Field(default=10_485_760, ge=1024)

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        provider, _, name = value.partition(":")
        if value == "scripted" or (provider in {"bedrock", "openai", "ollama"} and name):
            return value
        raise ValueError(f"must be {MODEL_FORMS}")

    @field_validator("openai_base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must be a URL such as https://api.deepseek.com/v1")
        return value

    @field_validator("secrets", mode="before")
    @classmethod
    def _object(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            given = json.loads(value)
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(isinstance(arn, str) for arn in given.values()):
            raise ValueError("must be a JSON object that maps variable names to ARNs")
        return given

    @field_validator("media_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = frozenset(host.strip().lower() for host in value.split(",") if host.strip())
        return value

    @field_validator("allowed_origin")
    @classmethod
    def _header_value(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable()):
            raise ValueError("must be one origin such as https://chat.example.com, or *")
        return value

    @field_validator("origin_secret", "origin_secret_previous")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        secret = value.get_secret_value() if value else ""
        if not (secret.isascii() and secret.isprintable() and secret == secret.strip()):
            raise ValueError("must be printable ASCII without surrounding spaces, because it is sent as a header")
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.model.startswith("bedrock:") and not self.region:
            raise ValueError("AGENT_REGION (or AWS_REGION) must name the region of the Bedrock model")
        if (self.guardrail_id is None) != (self.guardrail_version is None):
            raise ValueError("AGENT_GUARDRAIL_ID and AGENT_GUARDRAIL_VERSION must be given together")
        if self.memory_id and not self.region:
            raise ValueError("AGENT_REGION (or AWS_REGION) must name the region of AGENT_MEMORY_ID")
        if self.origin_secret_previous and not self.origin_secret:
            raise ValueError("AGENT_ORIGIN_SECRET_PREVIOUS needs AGENT_ORIGIN_SECRET beside it")
        return self

    @property
    def origin_secrets(self) -> tuple[str, ...]:
        """The accepted origin secrets; empty when the check is off."""
        both = (self.origin_secret, self.origin_secret_previous)
        return tuple(secret.get_secret_value() for secret in both if secret)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from `environment`; an empty value counts as absent.

        Unknown AGENT_ variables are logged as warnings. Raises SettingsError with one sentence that covers every
        invalid variable and repeats no value: it may be a secret.
        """
        given = {
            field: environment[f"AGENT_{field.upper()}"]
            for field in cls.model_fields
            if environment.get(f"AGENT_{field.upper()}")
        }
        _warn_of_unknown(environment, {f"AGENT_{field.upper()}" for field in cls.model_fields})
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if region:
            given.setdefault("region", region)
        if "model" not in given:
            raise SettingsError(f"AGENT_MODEL is not set: set it to {MODEL_FORMS}.")
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(
                "; ".join(_sentence(part["loc"], part["msg"]) for part in error.errors()) + "."
            ) from None


def _warn_of_unknown(environment: Mapping[str, str], known: set[str]) -> None:
    for name in sorted(environment):
        if name.startswith("AGENT_") and name not in known | _FOREIGN_VARIABLES:
            near = get_close_matches(name, sorted(known), n=1)
            _logger.warning(
                "%s is not a setting of this agent and is ignored: %s.",
                name,
                f"did you mean {near[0]}" if near else "docs/agent.md lists the settings",
            )


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    return f"AGENT_{str(location[0]).upper()} cannot be used: {message[:1].lower()}{message[1:]}"

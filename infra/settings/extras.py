"""What a team's own agent needs beyond the model: variables, secrets, and grants for its role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.base import Contradiction, Settings, impossible
from infra.settings.models import ACCOUNT
from infra.settings.patterns import Pattern, is_private, web_address

__all__ = ["ACCOUNT", "ExtraSettings", "StatementSettings"]

OPENAI_KEY = "OPENAI_API_KEY"
"""The variable with the key of a model of the form ``openai:MODEL``."""

# Variables that are read before the agent's own code runs, or set by AgentCore or this program.
_RESERVED = re.compile(r"(AGENT|AWS|LD|PYTHON|BEDROCK_AGENTCORE)(_.*|)|PYTHON.*|PATH|HOME|DOCKER_CONTAINER")
_LIKELY_SECRET = re.compile(r".*(API_?KEY|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|(^|_)TOKEN)", re.IGNORECASE)


def _is_not_reserved(text: str) -> None:
    if _RESERVED.fullmatch(text):
        raise impossible(
            "that variable belongs to the runtime, to Python or to this program", "choose a name of your own"
        )


def _is_not_secret(text: str) -> None:
    _is_not_reserved(text)
    if _LIKELY_SECRET.fullmatch(text):
        raise impossible(
            "its name says that it is a secret, and a variable is readable in this file, the state and the console",
            "store the value in Secrets Manager or Parameter Store, and name its ARN under runtime.secrets",
        )


_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
VARIABLE = Pattern("at most 100 letters, digits and underscores", _NAME, check=_is_not_secret)
SECRET_NAME = Pattern("at most 100 letters, digits and underscores", _NAME, check=_is_not_reserved)
VALUE = Pattern(
    "1 to 1000 characters on one line", r"[^\x00-\x1f\x7f]{1,1000}", why="AgentCore limits the size of its variables"
)
# IAM compares whole ARNs, and Secrets Manager ends each with a hyphen and six characters of its own
# (https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html).
SECRET_ARN = Pattern(
    "the whole ARN of a secret, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-abc123, or of a parameter, "
    "arn:aws:ssm:REGION:ACCOUNT:parameter/NAME",
    r"arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:(\d{12}|ACCOUNT):secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"
    r"|ssm:[a-z0-9-]+:(\d{12}|ACCOUNT):parameter/[A-Za-z0-9/_.-]{1,1000})",
    why="the agent's role is granted one named secret or parameter",
)
POLICY_LIMIT = 6_000
"""The most characters of the statements, of the 10,240 that IAM allows for a role's inline policies."""


def _is_not_administration(text: str) -> None:
    if text.startswith(("iam:", "organizations:")):
        raise impossible(
            "a role that may change roles and accounts may do everything",
            "let the program that deploys the stack do it",
        )


ACTION = Pattern(
    "an action like dynamodb:GetItem, without *",
    r"[a-z0-9-]{1,64}:[A-Z][A-Za-z0-9]{0,127}",
    why="a prompt injection can use every action that the agent's role allows",
    check=_is_not_administration,
)
RESOURCE = Pattern(
    "the ARN of a resource, like arn:aws:dynamodb:REGION:ACCOUNT:table/NAME",
    r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|ACCOUNT|):[^\s*?\x00-\x1f][^\s\x00-\x1f]{0,1000}",
    why="a prompt injection can use every resource that the agent's role allows",
)
CONDITION = Pattern(
    "the name of a condition, like StringEquals or aws:PrincipalTag/team", r"[A-Za-z][A-Za-z0-9:/._-]{0,127}"
)
CONDITION_VALUE = Pattern("1 to 1000 characters on one line", r"[^\x00-\x1f\x7f]{1,1000}")

Values = Annotated[list[Annotated[str, CONDITION_VALUE]], Field(min_length=1, max_length=20)]
Keys = Annotated[dict[Annotated[str, CONDITION], Values], Field(max_length=10)]


def _is_encrypted_or_local(text: str) -> None:
    if text and not is_private(web_address(text)):
        raise impossible(
            "the model's key and every prompt would be sent without encryption", "write an https:// address"
        )


BASE_URL = Pattern("an address like https://api.example.com/v1, or nothing", check=_is_encrypted_or_local)


class StatementSettings(Settings):
    """One more statement of the role's policy, in the terms of IAM's policy language. The guard rails check it too."""

    effect: Literal["Allow", "Deny"] = Field("Allow", description="Whether it allows or denies.")
    actions: list[Annotated[str, ACTION]] = Field(
        min_length=1, max_length=50, description="The actions that the agent may use."
    )
    resources: list[Annotated[str, RESOURCE]] = Field(
        min_length=1,
        max_length=50,
        description="The resources that it may use. ACCOUNT stands for the stack's own account.",
    )
    conditions: dict[Annotated[str, CONDITION], Keys] = Field(
        {}, max_length=10, description="Conditions by operator and key, as in IAM's policy language."
    )


class ExtraSettings(Settings):
    """Variables, secrets and permissions of the author's own code; see `RuntimeSettings`."""

    openai_base_url: Annotated[str, BASE_URL] = Field(
        "",
        description="The base URL of a model of the form openai:MODEL: any service with OpenAI's API. Empty: OpenAI's "
        "own.",
    )
    environment: dict[Annotated[str, VARIABLE], Annotated[str, VALUE]] = Field(
        {}, max_length=20, description="Variables for the agent's own code. No secrets: their values can be read."
    )
    secrets: dict[Annotated[str, SECRET_NAME], Annotated[str, SECRET_ARN]] = Field(
        {},
        max_length=20,
        description="Secrets that the agent reads at its start, each under the name of a variable. The role is granted "
        "these and no others. ACCOUNT stands for the stack's own account.",
    )
    statements: list[StatementSettings] = Field(
        [], max_length=20, description="More statements of the role's policy, for what the agent's tools use."
    )

    def extra_contradictions(self, model: str, guardrail_id: str) -> Iterator[Contradiction]:
        """Contradictions between these values, and with the model."""
        both = sorted(set(self.environment) & set(self.secrets))
        if both:
            yield Contradiction(
                ("environment", "secrets"),
                f"{' and '.join(both)} would be set twice",
                "name each variable in one of the two",
            )
        if len(json.dumps([each.model_dump() for each in self.statements])) > POLICY_LIMIT:
            yield Contradiction(
                ("statements",),
                f"they have more than {POLICY_LIMIT} characters, and IAM limits the size of a role's policies",
                "name fewer resources, or one ARN with * for several",
            )
        openai = model.startswith("openai:")
        if openai and OPENAI_KEY not in self.secrets:
            yield Contradiction(
                ("secrets", "model"),
                f"{model} needs a key, which the agent reads from {OPENAI_KEY}",
                f"store the key in Secrets Manager and write {OPENAI_KEY} with its ARN",
            )
        if self.openai_base_url and not openai:
            yield Contradiction(
                ("openaiBaseUrl", "model"),
                f"the model is {model}, which Bedrock serves",
                "write a model of the form openai:MODEL, or remove it",
            )
        if guardrail_id and openai:
            yield Contradiction(
                ("guardrailId", "model"),
                f"Bedrock applies guardrails to its own models, and {model} is not one",
                "write a bedrock: model, or remove guardrailId and guardrailVersion",
            )


def in_other_regions(secrets: Mapping[str, str], region: str) -> Iterator[Contradiction]:
    """The secrets in other Regions, which the agent would not find: it reads in its own."""
    for name, arn in secrets.items():
        if arn.split(":")[3] != region:
            yield Contradiction(
                (f"secrets.{name}", "region"),
                f"the agent reads secrets in {region}",
                f"replicate the secret to {region}, and write its ARN there",
            )


def size(variables: Mapping[str, str]) -> int:
    """The size of an environment as AgentCore counts it: bytes of names and values."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())


def as_variable(secrets: Mapping[str, str]) -> str:
    """The value of the agent's variable for its secrets: a compact JSON object of ARNs by name."""
    return json.dumps(secrets, separators=(",", ":"))

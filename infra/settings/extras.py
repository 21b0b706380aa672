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
"""The name under which a model of the form ``openai:MODEL`` looks for its key."""

# Read before the agent's own code runs, or set by AgentCore or this program: a change there changes what runs.
_OF_OTHERS = re.compile(r"(AGENT|AWS|LD|PYTHON|BEDROCK_AGENTCORE)(_.*|)|PYTHON.*|PATH|HOME|DOCKER_CONTAINER")
_OF_A_SECRET = re.compile(r".*(API_?KEY|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|(^|_)TOKEN)", re.IGNORECASE)


def _is_free(text: str) -> None:
    if _OF_OTHERS.fullmatch(text):
        raise impossible(
            "that variable belongs to the runtime, to Python or to this program", "choose a name of your own"
        )


def _is_no_secret(text: str) -> None:
    _is_free(text)
    if _OF_A_SECRET.fullmatch(text):
        raise impossible(
            "its name says that it is a secret, and a variable is readable in this file, the state and the console",
            "store the value in Secrets Manager or Parameter Store, and name its ARN under runtime.secrets",
        )


_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
VARIABLE = Pattern("at most 100 letters, digits and underscores", _NAME, check=_is_no_secret)
SECRET_NAME = Pattern("at most 100 letters, digits and underscores", _NAME, check=_is_free)
VALUE = Pattern(
    "1 to 1000 characters on one line", r"[^\x00-\x1f\x7f]{1,1000}", why="AgentCore bounds what its variables take"
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
"""Characters that the statements may come to, of the 10,240 that IAM allows a role's own policies."""


def _grants_no_grants(text: str) -> None:
    if text.startswith(("iam:", "organizations:")):
        raise impossible(
            "who may change roles and accounts may do everything", "let the program that deploys the stack do it"
        )


ACTION = Pattern(
    "an action like dynamodb:GetItem, without *",
    r"[a-z0-9-]{1,64}:[A-Z][A-Za-z0-9]{0,127}",
    why="what a prompt talks the agent into may use every action that its role has",
    check=_grants_no_grants,
)
RESOURCE = Pattern(
    "the ARN of a resource, like arn:aws:dynamodb:REGION:ACCOUNT:table/NAME",
    r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|ACCOUNT|):[^\s*?\x00-\x1f][^\s\x00-\x1f]{0,1000}",
    why="what a prompt talks the agent into may use every resource that its role has",
)
CONDITION = Pattern(
    "the name of a condition, like StringEquals or aws:PrincipalTag/team", r"[A-Za-z][A-Za-z0-9:/._-]{0,127}"
)
CONDITION_VALUE = Pattern("1 to 1000 characters on one line", r"[^\x00-\x1f\x7f]{1,1000}")

Values = Annotated[list[Annotated[str, CONDITION_VALUE]], Field(min_length=1, max_length=20)]
Keys = Annotated[dict[Annotated[str, CONDITION], Values], Field(max_length=10)]


def _is_safe_to_send_a_key_to(text: str) -> None:
    if text and not is_private(web_address(text)):
        raise impossible(
            "the model's key and every prompt could be read on their way there", "write an https:// address"
        )


BASE_URL = Pattern("an address like https://api.example.com/v1, or nothing", check=_is_safe_to_send_a_key_to)


class StatementSettings(Settings):
    """One more statement of the role's policy, in the policy language's own terms. The guard rails judge it too."""

    effect: Literal["Allow", "Deny"] = Field("Allow", description="Whether it allows or denies.")
    actions: list[Annotated[str, ACTION]] = Field(
        min_length=1, max_length=50, description="What the agent may do, action by action."
    )
    resources: list[Annotated[str, RESOURCE]] = Field(
        min_length=1,
        max_length=50,
        description="On what. ACCOUNT stands for the stack's own account.",
    )
    conditions: dict[Annotated[str, CONDITION], Keys] = Field(
        {}, max_length=10, description="Under which conditions, by operator and key, as in the policy language."
    )


class ExtraSettings(Settings):
    """What the author's own code is given; see `RuntimeSettings`."""

    openai_base_url: Annotated[str, BASE_URL] = Field(
        "",
        description="Where a model of the form openai:MODEL answers: any service that speaks OpenAI's protocol. Empty: "
        "OpenAI's own.",
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
        """What these values have against each other and against the model."""
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
                f"they come to more than {POLICY_LIMIT} characters, and IAM bounds what a role's policies may say",
                "name fewer resources, or what they have in common",
            )
        openai = model.startswith("openai:")
        if openai and OPENAI_KEY not in self.secrets:
            yield Contradiction(
                ("secrets", "model"),
                f"{model} is asked with a key, which the agent looks for under {OPENAI_KEY}",
                f"store the key in Secrets Manager and write {OPENAI_KEY} with its ARN",
            )
        if self.openai_base_url and not openai:
            yield Contradiction(
                ("openaiBaseUrl", "model"),
                f"the model is {model}, which Bedrock answers",
                "write a model of the form openai:MODEL, or remove it",
            )
        if guardrail_id and openai:
            yield Contradiction(
                ("guardrailId", "model"),
                f"Bedrock applies guardrails to its own models, and {model} is not one",
                "write a bedrock: model, or remove guardrailId and guardrailVersion",
            )


def outside(secrets: Mapping[str, str], region: str) -> Iterator[Contradiction]:
    """The secrets that the agent would look for in vain: it asks in its own Region."""
    for name, arn in secrets.items():
        if arn.split(":")[3] != region:
            yield Contradiction(
                (f"secrets.{name}", "region"),
                f"the agent asks in {region}",
                f"replicate the secret to {region}, and write its ARN there",
            )


def size(variables: Mapping[str, str]) -> int:
    """The bytes that AgentCore counts of an environment: names and values."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())


def as_variable(secrets: Mapping[str, str]) -> str:
    """The secrets as the agent is told of them: a JSON object of ARNs by name, as short as it can be."""
    return json.dumps(secrets, separators=(",", ":"))

"""Settings of the agent in AgentCore.

Bounds: https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_CreateAgentRuntime.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.base import Contradiction, impossible
from infra.settings.denied_actions import ACTION, OTHER_OPERATIONS
from infra.settings.extras import ExtraSettings
from infra.settings.generations import GenerationSettings
from infra.settings.models import ACCOUNT, MODEL, MODEL_ARN
from infra.settings.patterns import Pattern
from infra.settings.runs import RunSettings

__all__ = ["ACCOUNT", "OriginSecretSettings", "RuntimeSettings"]

Bypass = Literal["none", "origin-secret", "private"]


def _is_not_default(text: str) -> None:
    if text == "DEFAULT":
        raise impossible("AgentCore creates that endpoint itself", "leave it empty to use it, or choose another name")


ENDPOINT = Pattern(
    "at most 48 letters, digits and underscores, the first a letter, or nothing",
    r"([a-zA-Z][a-zA-Z0-9_]{0,47})?",
    check=_is_not_default,
)
GUARDRAIL = Pattern("a guardrail's id, like abc123def456, or nothing", r"([a-z0-9]{1,64})?")
GUARDRAIL_VERSION = Pattern("DRAFT, the number of a version, or nothing", r"(DRAFT|[1-9]\d{0,7})?")
BOUNDARY = Pattern(
    "the ARN of a managed policy, like arn:aws:iam::ACCOUNT:policy/NAME, or nothing",
    r"(arn:aws[a-z-]*:iam::(\d{12}|ACCOUNT|aws):policy/[A-Za-z0-9+=,.@_/-]{1,512})?",
)
SUBNET = Pattern("the id of a subnet, like subnet-0123456789abcdef0", r"subnet-([0-9a-f]{8}|[0-9a-f]{17})")
SECURITY_GROUP = Pattern("the id of a security group, like sg-0123456789abcdef0", r"sg-([0-9a-f]{8}|[0-9a-f]{17})")


class OriginSecretSettings(GenerationSettings):
    """The generations of the origin secret: the API sends one, and the agent accepts it."""

    required: bool = Field(
        True,
        description="The agent refuses a request without it. false is the step between bypassProtection none and "
        "origin-secret, in both directions: the API sends it, and the agent does not require it.",
    )


class RuntimeSettings(ExtraSettings, RunSettings):
    """The agent: how long it answers, what it may use, how it is packed, how long it lives, who may reach it."""

    artifact: Literal["code", "container"] = Field(
        "code", description="code: a zip in S3. container: an image in ECR, built with Docker on the deploying machine."
    )
    model: Annotated[str, MODEL] = Field(
        "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
        description="The model; the local run uses its own instead.",
    )
    model_arns: list[Annotated[str, MODEL_ARN]] = Field(
        [],
        max_length=50,
        description="The models and inference profiles that the agent's role may invoke, and no others: those that a "
        "bedrock: model needs, and those that the agent's own code calls. "
        "ACCOUNT stands for the stack's own account. A global. profile needs its model without a Region too: "
        "arn:aws:bedrock:::foundation-model/ID.",
    )
    also_model_arns: list[Annotated[str, MODEL_ARN]] = Field(
        [],
        max_length=50,
        description="More models that the role may invoke: those of the previous model, until the sessions that still "
        "use it have ended (sessionSeconds). docs/changes.md has the steps.",
    )
    guardrail_id: Annotated[str, GUARDRAIL] = Field("", description="A Bedrock guardrail on every answer.")
    guardrail_version: Annotated[str, GUARDRAIL_VERSION] = Field("", description="Its version.")
    max_tokens: int = Field(4_096, ge=1, le=200_000, description="Longest answer of the model, in tokens.")
    bypass_protection: Bypass = Field(
        "origin-secret",
        description="What prevents a caller with a token from bypassing the API and calling the runtime: "
        "docs/security.md.",
    )
    customer_key: bool = Field(
        False,
        description="A KMS key of the stack's own for the package's bucket and the alarms' topic. Otherwise S3 "
        "encrypts with a key of its own, and the topic is not encrypted.",
    )
    check_token_use: bool = Field(
        True,
        description="The runtime requires the claim token_use: id besides the audience, so that it accepts ID tokens "
        "only. Write false if AgentCore refuses the claim.",
    )
    denied_actions: list[Annotated[str, ACTION]] = Field(
        list(OTHER_OPERATIONS),
        max_length=20,
        description="What the runtime's resource policy denies to every caller: commands and shells in the microVM, "
        "WebSockets, other users' names; StopRuntimeSession to all but the account's own principals. Remove a name "
        "if AWS refuses it, or shorten it to one with * at its end.",
    )
    origin_secret: OriginSecretSettings = Field(
        OriginSecretSettings(), description="Generations of the origin secret, for its rotation."
    )
    idle_session_seconds: int = Field(900, ge=60, le=1_209_600, description="Silence after which a microVM ends.")
    session_seconds: int = Field(28_800, ge=60, le=1_209_600, description="Longest life of a microVM.")
    platform_version: Literal["V1", "V2"] = Field(
        "V1", description="V2 starts from a snapshot: faster, in few Regions, creation takes minutes."
    )
    endpoint_name: Annotated[str, ENDPOINT] = Field(
        "",
        description="A runtime endpoint of that name, always on the latest deployed version. Empty: DEFAULT.",
    )
    network: Literal["PUBLIC", "VPC"] = Field(
        "PUBLIC", description="The network of the agent's own calls. VPC needs subnets with a route to Bedrock."
    )
    subnet_ids: list[Annotated[str, SUBNET]] = Field([], max_length=16, description="With VPC: private subnets.")
    security_group_ids: list[Annotated[str, SECURITY_GROUP]] = Field(
        [], max_length=16, description="With VPC: they decide what the agent may reach."
    )
    memory_days: int = Field(
        0, ge=0, le=365, description="Days to keep conversations in AgentCore Memory, at least 7. 0: no memory."
    )
    telemetry: bool = Field(
        False,
        description="Start the agent under opentelemetry-instrument, which ships with it; costs a second at start.",
    )
    log_prompts: bool = Field(
        False, description="Write prompts to the log. Refused in production: they are personal data."
    )
    declare_log_groups: bool = Field(
        True,
        description="Declare the agent's log groups, so that their lines expire after logRetentionDays. false: "
        "AgentCore creates them, and their lines never expire. docs/security.md says when to write it.",
    )

    permissions_boundary: Annotated[str, BOUNDARY] = Field(
        "",
        description="A managed policy as the permissions boundary of the agent's role; the deploying roles of "
        "bootstrap/ can create no role without theirs. ACCOUNT stands for the stack's own account.",
    )

    @property
    def qualifier(self) -> str:
        """The name of the runtime endpoint that is called."""
        return self.endpoint_name or "DEFAULT"

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        yield from self._session_contradictions()
        yield from self._network_contradictions()
        yield from self.run_contradictions(self.session_seconds, self.idle_session_seconds)
        yield from self.extra_contradictions(self.model, self.guardrail_id)
        yield from (each.below("originSecret") for each in self.origin_secret.contradictions())
        if bool(self.guardrail_id) != bool(self.guardrail_version):
            yield Contradiction(
                ("guardrailVersion", "guardrailId"),
                "a guardrail needs an id and a version, and one of the two is not given",
                "write both guardrailId and guardrailVersion",
            )

    def _session_contradictions(self) -> Iterator[Contradiction]:
        if self.idle_session_seconds > self.session_seconds:
            yield Contradiction(
                ("idleSessionSeconds", "sessionSeconds"),
                f"a microVM ends after {self.session_seconds} s in any case",
                f"write {self.session_seconds} or less",
            )
        if 0 < self.memory_days < 7:
            # AWS would accept 3: https://www.pulumi.com/registry/packages/aws/api-docs/bedrock/agentcorememory/
            yield Contradiction(
                ("memoryDays",),
                "the provider accepts 7 days or more for AgentCore Memory",
                "write 7 or more, or 0 for no memory",
            )

    def _network_contradictions(self) -> Iterator[Contradiction]:
        given = bool(self.subnet_ids) and bool(self.security_group_ids)
        if self.network == "VPC" and not given:
            yield Contradiction(
                ("network", "subnetIds", "securityGroupIds"),
                "network is VPC, which needs subnets and security groups",
                "write subnetIds and securityGroupIds, or network: PUBLIC",
            )
        if self.network == "PUBLIC" and (self.subnet_ids or self.security_group_ids):
            yield Contradiction(
                ("network", "subnetIds", "securityGroupIds"),
                "subnets and security groups are given and network is PUBLIC, which uses neither",
                "write network: VPC, or remove them",
            )

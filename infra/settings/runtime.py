"""Settings of the agent in AgentCore.

Bounds: https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_CreateAgentRuntime.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from infra.settings.base import Contradiction, Settings, impossible

ACCOUNT = "ACCOUNT"
"""Stands for the number of the stack's own account in an ARN: a stack file need not know it."""

MODEL_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+::foundation-model"
    r"|[a-z0-9-]+:(\d{12}|ACCOUNT):(inference-profile|application-inference-profile))/[A-Za-z0-9.:_-]+"
)
GEOGRAPHY = re.compile(r"^(us|eu|apac|jp|au|ca|us-gov|global)\.")

Bypass = Literal["none", "origin-secret", "private"]


class OriginSecretSettings(Settings):
    """Which generations of the origin secret are in use. docs/security.md has the order of a rotation."""

    sent: int = Field(1, ge=1, le=9_999, description="The generation that the API sends and the agent accepts.")
    also_accepted: int | None = Field(
        None, ge=1, le=9_999, description="Another generation that the agent accepts, while a rotation is under way."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if self.also_accepted == self.sent:
            yield Contradiction(
                ("alsoAccepted", "sent"),
                f"generation {self.sent} is accepted already because it is sent",
                "name the next or the previous generation, or remove it",
            )


class RuntimeSettings(Settings):
    """The agent: how it is packed, what it may use, how long it lives, who may reach it."""

    artifact: Literal["code", "container"] = Field(
        "code", description="code: a zip in S3. container: an image in ECR, built with Docker on the deploying machine."
    )
    model: str = Field(
        "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
        pattern=r"^bedrock:\S+$",
        description="bedrock:MODEL_ID; the local run puts its own model in place of it.",
    )
    model_arns: list[str] = Field(
        min_length=1,
        max_length=50,
        description="The models and inference profiles that the agent's role may invoke, and no others. "
        "ACCOUNT stands for the stack's own account.",
    )
    guardrail_id: str = Field("", pattern=r"^([a-z0-9]{1,64})?$", description="A Bedrock guardrail on every answer.")
    guardrail_version: str = Field("", pattern=r"^(DRAFT|[1-9]\d{0,7})?$", description="Its version.")
    max_tokens: int = Field(4_096, ge=1, le=200_000, description="Longest answer of the model, in tokens.")
    max_prompt_chars: int = Field(32_000, ge=1, le=60_000, description="Longest prompt, in characters.")
    max_messages: int = Field(200, ge=1, le=1_000, description="Longest history that a request may carry.")
    bypass_protection: Bypass = Field(
        "origin-secret",
        description="What stops a caller with a token from going round the API to the runtime: docs/security.md.",
    )
    origin_secret: OriginSecretSettings = Field(
        OriginSecretSettings(), description="Generations of the origin secret, for its rotation."
    )
    idle_session_seconds: int = Field(900, ge=60, le=1_209_600, description="Silence after which a microVM ends.")
    session_seconds: int = Field(28_800, ge=60, le=1_209_600, description="Longest life of a microVM.")
    platform_version: Literal["V1", "V2"] = Field(
        "V1", description="V2 starts from a snapshot: faster, in few Regions, creation takes minutes."
    )
    endpoint_name: str = Field(
        "",
        pattern=r"^([a-zA-Z][a-zA-Z0-9_]{0,47})?$",
        description="A runtime endpoint of that name, always on the version just deployed. Empty: DEFAULT.",
    )
    network: Literal["PUBLIC", "VPC"] = Field(
        "PUBLIC", description="Where the agent's own calls leave from. VPC needs subnets with a way to Bedrock."
    )
    subnet_ids: list[str] = Field([], max_length=16, description="With VPC: private subnets.")
    security_group_ids: list[str] = Field([], max_length=16, description="With VPC: what the agent may reach.")
    memory_days: int = Field(
        0, ge=0, le=365, description="Keep conversations in AgentCore Memory for so many days, 3 at least. 0: none."
    )
    telemetry: bool = Field(
        False,
        description="Start the agent under opentelemetry-instrument, which ships with it; costs a second at start.",
    )
    log_prompts: bool = Field(False, description="Write prompts to the log. Refused in production: they are personal.")

    @field_validator("model_arns")
    @classmethod
    def _names_models(cls, value: list[str]) -> list[str]:
        for arn in value:
            if not MODEL_ARN.fullmatch(arn):
                raise impossible(
                    f"{arn} is not the ARN of one Bedrock model or inference profile in one Region",
                    "write arn:aws:bedrock:REGION::foundation-model/ID or "
                    "arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID, without *",
                )
        return value

    @property
    def qualifier(self) -> str:
        """The name of the runtime endpoint that is called."""
        return self.endpoint_name or "DEFAULT"

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        yield from self._model_contradictions()
        yield from self._session_contradictions()
        yield from self._network_contradictions()
        for keys, why, instead in self.origin_secret.contradictions():
            yield Contradiction(tuple(f"originSecret.{key}" for key in keys), why, instead)
        if bool(self.guardrail_id) != bool(self.guardrail_version):
            yield Contradiction(
                ("guardrailVersion", "guardrailId"),
                "a guardrail is used in one of its versions, and one of the two is not given",
                "write both guardrailId and guardrailVersion",
            )

    def _model_contradictions(self) -> Iterator[Contradiction]:
        model = self.model.removeprefix("bedrock:")
        allowed = {arn.partition("/")[2] for arn in self.model_arns}
        needed = [model] + ([GEOGRAPHY.sub("", model)] if GEOGRAPHY.match(model) else [])
        missing = [name for name in needed if name not in allowed and not model.startswith("arn:")]
        if missing:
            yield Contradiction(
                ("modelArns", "model"),
                f"model is {model} and no ARN names {' or '.join(missing)}, so the first prompt would be refused"
                + ("; an inference profile needs its models too" if len(needed) > 1 else ""),
                "add the ARN of each",
            )

    def _session_contradictions(self) -> Iterator[Contradiction]:
        if self.idle_session_seconds > self.session_seconds:
            yield Contradiction(
                ("idleSessionSeconds", "sessionSeconds"),
                f"a microVM ends after {self.session_seconds} s in any case",
                f"write {self.session_seconds} or less",
            )
        if 0 < self.memory_days < 3:
            yield Contradiction(
                ("memoryDays",),
                "AgentCore Memory keeps events for 3 days or more",
                "write 3 or more, or 0 for no memory",
            )

    def _network_contradictions(self) -> Iterator[Contradiction]:
        given = bool(self.subnet_ids) and bool(self.security_group_ids)
        if self.network == "VPC" and not given:
            yield Contradiction(
                ("network", "subnetIds", "securityGroupIds"),
                "network is VPC and the agent needs subnets and security groups to be placed in",
                "write subnetIds and securityGroupIds, or network: PUBLIC",
            )
        if self.network == "PUBLIC" and (self.subnet_ids or self.security_group_ids):
            yield Contradiction(
                ("network", "subnetIds", "securityGroupIds"),
                "subnets and security groups are given and network is PUBLIC, which uses neither",
                "write network: VPC, or remove them",
            )

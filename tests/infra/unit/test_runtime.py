"""Unit tests of `infra.runtime` with Pulumi's mocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi

from contract import ORIGIN_HEADER
from tests.infra.unit.mocks import REGION, AwsMocks
from tests.infra.unit.parts import MODEL, a_runtime, an_identity, runtime_settings

RUNTIME = "AgentcoreAgentRuntime"


@pulumi.runtime.test
def test_an_id_token_of_the_stacks_own_client_opens_it(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    identity = an_identity()
    made = a_runtime(package, identity=identity)

    def check(_arn: str, client: str, discovery: str) -> None:
        authorizer = aws.inputs(RUNTIME)["authorizerConfiguration"]["customJwtAuthorizer"]
        # An access token has no `aud`; a list of clients beside it would refuse every ID token.
        assert authorizer["allowedAudiences"] == [client]
        assert authorizer["discoveryUrl"] == discovery
        assert "allowedClients" not in authorizer

    return aws.after(check, made.arn, identity.client_id, identity.discovery_url)


@pulumi.runtime.test
def test_the_address_is_the_one_that_streams(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    made = a_runtime(package)

    def check(id_: str, address: str) -> None:
        base = f"https://bedrock-agentcore.{REGION}.amazonaws.com/runtimes/{id_}/invocations"
        assert address == f"{base}?qualifier=DEFAULT&accountId=000000000000"

    return aws.after(check, made.id, made.address)


@pulumi.runtime.test
def test_the_role_may_invoke_the_named_model_and_no_other(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        documents = [json.loads(text) for text in aws.texts("RolePolicy", "policy")]
        statements: list[dict[str, Any]] = [each for document in documents for each in document["Statement"]]
        (models,) = [each for each in statements if "bedrock:InvokeModel" in each["Action"]]
        assert models["Resource"] == [MODEL]

    a_runtime(package)
    return aws.after(check)


@pulumi.runtime.test
def test_the_role_is_bounded_where_the_settings_say_so(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("Role")["permissionsBoundary"] == "arn:aws:iam::000000000000:policy/delivery/bound"

    a_runtime(package, runtime_settings(permissionsBoundary="arn:aws:iam::ACCOUNT:policy/delivery/bound"))
    return aws.after(check)


@pulumi.runtime.test
def test_without_bypass_protection_no_origin_header_is_taken(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    made = a_runtime(package, runtime_settings(bypassProtection="none"))

    def check() -> None:
        taken = aws.inputs(RUNTIME)["requestHeaderConfiguration"]["requestHeaderAllowlists"]
        assert "Authorization" in taken
        assert ORIGIN_HEADER not in taken
        assert made.origin_secret is None

    return aws.after(check)

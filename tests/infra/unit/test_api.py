"""Unit tests of `infra.api` with Pulumi's mocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from infra.api import StreamingApi
from infra.settings.api import ApiSettings
from tests.infra.unit.mocks import AwsMocks
from tests.infra.unit.parts import an_api


def streaming_api(package: Path, **settings: Any) -> StreamingApi:
    return an_api(package, ApiSettings.model_validate(settings))


@pulumi.runtime.test
def test_an_answer_streams_for_fifteen_minutes(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        integration = aws.inputs("Integration", "stream")
        assert integration["type"] == "HTTP_PROXY"
        assert integration["responseTransferMode"] == "STREAM"
        assert integration["timeoutMilliseconds"] == 900_000
        assert integration["uri"].endswith("/invocations")

    streaming_api(package)
    return aws.after(check)


@pulumi.runtime.test
def test_every_call_needs_an_id_token(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        post = aws.inputs("Method", "post")
        assert post["authorization"] == "COGNITO_USER_POOLS"
        assert not post.get("authorizationScopes")  # with scopes it would ask for an access token

    streaming_api(package)
    return aws.after(check)


@pulumi.runtime.test
def test_a_team_gets_a_key_and_every_call_needs_one(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    made = streaming_api(package, teams={"sales": {}})

    def check(key: str) -> None:
        assert key
        assert aws.inputs("Method", "post")["apiKeyRequired"] is True
        assert aws.inputs("UsagePlan")["throttleSettings"] == {"rateLimit": 5, "burstLimit": 10}

    return aws.after(check, made.api_keys["sales"])


@pulumi.runtime.test
def test_a_name_of_ones_own_is_the_address(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    made = streaming_api(package, domain={"name": "agent.example.com", "hostedZoneId": "Z0123456789"})
    made.map_domain(after=[])

    def check(address: str) -> None:
        assert address == "https://agent.example.com/invocations"
        assert aws.inputs("Certificate")["domainName"] == "agent.example.com"
        assert aws.inputs("BasePathMapping")["stageName"] == "dev"

    return aws.after(check, made.invoke_url)

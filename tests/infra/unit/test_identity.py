"""Unit tests of `infra.identity` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.identity import Identity
from infra.settings.identity import IdentitySettings
from tests.infra.unit.mocks import REGION, STACK, AwsMocks


def identity(**settings: Any) -> Identity:
    return Identity(STACK, IdentitySettings.model_validate(settings))


@pulumi.runtime.test
def test_the_issuer_is_the_pools_own(aws: AwsMocks) -> pulumi.Output[None]:
    made = identity()

    def check(pool: str, issuer: str, discovery: str) -> None:
        assert issuer == f"https://cognito-idp.{REGION}.amazonaws.com/{pool}"
        assert discovery == f"{issuer}/.well-known/openid-configuration"

    return aws.after(check, made.user_pool_id, made.issuer, made.discovery_url)


@pulumi.runtime.test
def test_a_login_domain_without_a_prefix_carries_the_accounts_number(aws: AwsMocks) -> pulumi.Output[None]:
    def check(address: str) -> None:
        assert aws.inputs("UserPoolDomain")["domain"] == "unit-000000000000"
        assert address == f"https://unit-000000000000.auth.{REGION}.amazoncognito.com"

    return aws.after(check, identity().login_url)


@pulumi.runtime.test
def test_a_public_client_has_no_secret_and_code_grant_only(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        client = aws.inputs("UserPoolClient")
        assert client["generateSecret"] is False
        assert client["allowedOauthFlows"] == ["code"]

    identity()
    return aws.after(check)


@pulumi.runtime.test
def test_a_second_factor_that_is_required_is_asked_of_everybody(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("UserPool")["mfaConfiguration"] == "ON"

    identity(mfa="required")
    return aws.after(check)

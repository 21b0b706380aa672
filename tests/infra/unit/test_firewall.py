"""Unit tests of `infra.firewall` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.firewall import Firewall
from infra.settings.firewall import FirewallSettings
from tests.infra.unit.mocks import STACK, AwsMocks

STAGE = "arn:aws:apigateway:us-east-1::/restapis/abc/stages/dev"


def firewall(**settings: Any) -> Firewall:
    return Firewall(
        STACK,
        FirewallSettings.model_validate(settings),
        stage_name="dev",
        stage_arn=pulumi.Output.from_input(STAGE),
        allowed_origin="https://chat.example.com",
    )


@pulumi.runtime.test
def test_the_web_acl_is_on_the_stage(aws: AwsMocks) -> pulumi.Output[None]:
    def check(arn: str) -> None:
        association = aws.inputs("WebAclAssociation")
        assert association["webAclArn"] == arn
        assert association["resourceArn"] == STAGE

    return aws.after(check, firewall().web_acl_arn)


@pulumi.runtime.test
def test_a_list_of_both_kinds_of_address_is_two_sets(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("IpSet", "ipv4")["addresses"] == ["192.0.2.0/24"]
        assert aws.inputs("IpSet", "ipv6")["addresses"] == ["2001:db8::/32"]

    firewall(onlyAddresses=["192.0.2.0/24", "2001:db8::/32"])
    return aws.after(check)


@pulumi.runtime.test
def test_neither_log_nor_sample_shows_a_token(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        redacted = aws.inputs("WebAclLoggingConfiguration")["redactedFields"]
        assert {"singleHeader": {"name": "authorization"}} in redacted

    firewall()
    return aws.after(check)

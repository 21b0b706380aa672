"""Unit tests of `infra.website` with Pulumi's mocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.origin import OriginSecret
from infra.page import security_headers
from infra.settings.api import ApiSettings
from infra.settings.firewall import FirewallSettings
from infra.settings.website import WebsiteSettings
from infra.website import Website
from tests.infra.graphs import A_PAGE, a_built_page
from tests.infra.unit.mocks import STACK, AwsMocks
from tests.infra.unit.parts import an_api, an_identity

DOMAIN = {"name": "agent.example.com", "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/abc"}


def website(
    package: Path, *, api: dict[str, Any] | None = None, built: Path | None = A_PAGE, **settings: Any
) -> Website:
    given = {"domain": "chat.example.com", "hostedZoneId": "Z0123456789", **settings}
    page = WebsiteSettings.model_validate(given)
    identity = an_identity()
    with a_built_page(built):
        return Website(
            STACK,
            page,
            identity=identity,
            api=an_api(package, ApiSettings.model_validate(api or {}), identity),
            secret=OriginSecret(STACK.below("website"), page.secret),
            page_settings={"sessionFrom": "user", "maxPromptChars": 1000},
            firewall=FirewallSettings(),
            after=[],
        )


def origins(aws: AwsMocks) -> dict[str, dict[str, Any]]:
    # One of them holds a secret, so Pulumi hands all of them out as one.
    return {each["originId"]: each for each in aws.inputs("Distribution")["origins"]["value"]}


@pulumi.runtime.test
def test_the_apis_origin_is_its_stage_and_gets_the_secret_over_tls(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        origin = origins(aws)["api"]
        assert origin["domainName"].endswith(".execute-api.us-east-1.amazonaws.com")
        assert origin["originPath"] == "/dev"
        (header,) = origin["customHeaders"]
        assert (header["name"], len(header["value"])) == ("x-origin-verify", 48)
        assert origin["customOriginConfig"]["originProtocolPolicy"] == "https-only"
        assert origin["customOriginConfig"]["originSslProtocols"] == ["TLSv1.2"]

    website(package)
    return aws.after(check)


@pulumi.runtime.test
def test_a_host_name_beside_execute_apis_is_no_origin_yet(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert ".execute-api." in origins(aws)["api"]["domainName"]

    website(package, api={"domain": DOMAIN})
    return aws.after(check)


@pulumi.runtime.test
def test_a_host_name_that_alone_answers_is_the_origin(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert origins(aws)["api"]["domainName"] == "agent.example.com"
        assert origins(aws)["api"]["originPath"] == ""

    website(package, api={"domain": {**DOMAIN, "onlyThisName": True}})
    return aws.after(check)


@pulumi.runtime.test
def test_the_pages_settings_are_public_facts(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        config = json.loads(aws.inputs("BucketObjectv2", "config.json")["content"])
        login = config.pop("loginUrl")
        assert login.endswith(".auth.us-east-1.amazoncognito.com")
        assert config.pop("issuer").startswith("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_")
        assert len(config.pop("userPoolClientId")) == 26
        assert config == {
            "stackName": STACK.name,
            "sessionFrom": "user",
            "invokeUrl": "/invocations",
            "callbackUrl": "https://chat.example.com/",
            "maxPromptChars": 1000,
            "inspector": True,
        }
        policy = aws.inputs("ResponseHeadersPolicy")["securityHeadersConfig"]
        sent = policy["contentSecurityPolicy"]["contentSecurityPolicy"]
        assert sent == security_headers([login])["Content-Security-Policy"]
        assert f"connect-src 'self' {login};" in sent

    website(package, inspector=True)
    return aws.after(check)


@pulumi.runtime.test
def test_a_certificate_of_ones_own_is_used_and_none_declared(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("Distribution")["viewerCertificate"]["acmCertificateArn"] == DOMAIN["certificateArn"]
        assert not {"Certificate", "CertificateValidation", "Record"} & aws.kinds()

    website(package, hostedZoneId="", certificateArn=DOMAIN["certificateArn"])
    return aws.after(check)


@pulumi.runtime.test
def test_a_declared_certificate_is_where_cloudfront_looks(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("Certificate")["region"] == "us-east-1"
        assert aws.inputs("Distribution")["viewerCertificate"]["acmCertificateArn"].startswith("arn:aws:acm:us-east-1:")

    website(package)
    return aws.after(check)


@pulumi.runtime.test
def test_a_deployment_without_the_built_page_says_how_to_get_it(package: Path) -> None:
    with pytest.raises(pulumi.RunError, match=r"^The chat page, which website serves, is not built: run `make web`"):
        website(package, built=None)

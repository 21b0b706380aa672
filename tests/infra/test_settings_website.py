"""What a stack with a page of its own cannot be, each in a sentence; and that nothing else stands in its way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.graphs import PROJECT, WEBSITE, changed_settings
from tests.infra.test_settings import problems_of

CERTIFICATE = "arn:aws:acm:{}:123456789012:certificate/0123-abc"


def problems(changes: dict[str, dict[str, Any]], region: str = "us-east-1") -> list[str]:
    """The problems of a stack with a page whose sections are changed; None leaves a key out."""
    sections = {name: {**WEBSITE.get(name, {}), **changes.get(name, {})} for name in {*WEBSITE, *changes}}
    settings = {**changed_settings("dev", sections), "aws:region": region}
    if region != "us-east-1":  # the model's ARNs name their Region
        for key, value in settings.items():
            settings[key] = value.replace("us-east-1", region) if key.endswith(":runtime") else value
    return problems_of("dev", settings)


def test_a_page_of_its_own_is_accepted() -> None:
    assert problems({}) == []


@pytest.mark.parametrize("policy", ["SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "SecurityPolicy_TLS13_1_2_2021_06"])
def test_every_policy_of_the_api_that_cloudfront_can_meet_is_accepted(policy: str) -> None:
    assert problems({"api": {"securityPolicy": policy}}) == []


def test_a_certificate_stands_in_for_a_zone() -> None:
    own = {"hostedZoneId": None, "certificateArn": CERTIFICATE.format("us-east-1")}
    assert problems({"website": own}) == []


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"website": {"domain": None}}, "website.domain", "is missing and has no default; write a host name"),
        ({"website": {"domain": "Chat.example.com"}}, "website.domain", "in lower case"),
        ({"website": {"hostedZoneId": None}}, "website.certificateArn", "write hostedZoneId, or the certificateArn"),
        (
            {"website": {"certificateArn": CERTIFICATE.format("eu-west-1")}},
            "website.certificateArn",
            "CloudFront accepts certificates in us-east-1 only; write the ARN of one in us-east-1",
        ),
        ({"website": {"responseTimeoutSeconds": 121}}, "website.responseTimeoutSeconds", "from 5 to 120"),
        ({"website": {"securityPolicy": "TLSv1"}}, "website.securityPolicy", "TLSv1.2_2021"),
        ({"website": {"secret": {"sent": 1, "alsoAccepted": 1}}}, "website.secret.alsoAccepted", "accepted already"),
        ({"website": {"domian": "x"}}, "website.domian", "did you mean domain?"),
        (
            {"identity": {"callbackUrls": ["https://other.example.com/"]}},
            "identity.callbackUrls",
            "not send a browser back to https://chat.example.com/; add https://chat.example.com/",
        ),
        # Cognito compares letter by letter, and the page says what CloudFront serves: its root.
        ({"identity": {"callbackUrls": ["https://chat.example.com"]}}, "identity.callbackUrls", "add https://chat"),
        (
            {"api": {"endpointType": "EDGE", "securityPolicy": "SecurityPolicy_TLS13_2025_EDGE"}},
            "api.endpointType",
            "a CloudFront of its own",
        ),
        (
            {"api": {"endpointType": "PRIVATE", "vpcEndpointIds": ["vpce-01234567"]}},
            "api.endpointType",
            "CloudFront cannot reach a PRIVATE API; write REGIONAL, or remove website",
        ),
        ({"api": {"securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09"}}, "api.securityPolicy", "with TLS 1.2"),
        (
            {"api": {"domain": {"name": "chat.example.com", "hostedZoneId": "Z0123456789"}}},
            "website.domain",
            "a name of its own for the page",
        ),
        ({"api": {"teams": {"ops": {}}}}, "api.teams", "a page cannot keep one"),
        ({"api": {"heartbeatSeconds": 31}}, "api.heartbeatSeconds", "after 60 s of silence; write 30 or less"),
        (
            {"api": {"heartbeatSeconds": 61}, "website": {"responseTimeoutSeconds": 120}},
            "api.heartbeatSeconds",
            "write 60 or less",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value),
)
def test_what_cannot_be_is_told_in_a_sentence(changes: dict[str, dict[str, Any]], key: str, said: str) -> None:
    (found,) = problems(changes)
    assert found.startswith(f"{PROJECT}:{key} is ")
    assert said in found


def test_cloudfront_is_not_in_govcloud() -> None:
    (found,) = [each for each in problems({}, "us-gov-west-1") if "website" in each]
    assert "CloudFront is not part of AWS GovCloud; remove website" in found


def test_a_wrong_section_is_told_with_everything_else_that_is_wrong() -> None:
    settings = {**changed_settings("dev", WEBSITE), f"{PROJECT}:website": "yes"}
    (found,) = problems_of("dev", settings)
    assert found.startswith(f'{PROJECT}:website is "yes", but a section is not a single value')

"""Settings of the chat page's own domain.

CloudFront serves the page and passes ``/invocations`` on to the API, so that page and API are one origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.api import CERTIFICATE, HOST_NAME, HOSTED_ZONE
from infra.settings.base import Contradiction, Settings
from infra.settings.generations import GenerationSettings

EDGE_REGION = "us-east-1"
"""The Region of CloudFront's certificates and web ACLs, wherever the stack is
(https://docs.aws.amazon.com/waf/latest/developerguide/how-aws-waf-works-resources.html)."""


class WebsiteSettings(Settings):
    """The chat page at its own domain, which also serves the API; left out, the stack has no page."""

    domain: Annotated[str, HOST_NAME] = Field(description="The page's host name; its callback address follows from it.")
    hosted_zone_id: Annotated[str, HOSTED_ZONE] = Field(
        "", description="The Route 53 zone for the DNS record. Empty: you create the record yourself."
    )
    certificate_arn: Annotated[str, CERTIFICATE] = Field(
        "",
        description="A certificate in ACM, in us-east-1 wherever the stack is. Empty: one is declared there, and "
        "validated by a record in the zone.",
    )
    security_policy: Literal["TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"] = Field(
        "TLSv1.2_2021", description="Which TLS versions and ciphers CloudFront accepts from a browser."
    )
    response_timeout_seconds: int = Field(
        60,
        ge=5,
        le=120,
        description="Silence after which CloudFront ends a stream. Above 60 an account may need a quota increase.",
    )
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = Field(
        "PriceClass_All", description="Which of CloudFront's locations serve the page; the fewer, the cheaper."
    )
    inspector: bool = Field(False, description="Offer the inspector beside the conversation.")
    secret: GenerationSettings = Field(
        GenerationSettings(),
        description="Generations of the secret by which the stage's web ACL recognises CloudFront, for its rotation.",
    )

    @property
    def url(self) -> str:
        """The page's address, to which the login page sends a browser back."""
        return f"https://{self.domain}/"

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if not (self.certificate_arn or self.hosted_zone_id):
            yield Contradiction(
                ("certificateArn", "hostedZoneId"),
                "a certificate is validated by a record in a hosted zone, and neither is given",
                f"write hostedZoneId, or the certificateArn of an issued certificate in {EDGE_REGION}",
            )
        elif self.certificate_arn and self.certificate_arn.split(":")[3] != EDGE_REGION:
            yield Contradiction(
                ("certificateArn",),
                f"CloudFront accepts certificates in {EDGE_REGION} only",
                f"write the ARN of one in {EDGE_REGION}",
            )
        yield from (each.below("secret") for each in self.secret.contradictions())

"""A certificate of the stack's own, validated by a record in its hosted zone."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws


def issued_certificate(
    name: str,
    domain: str,
    hosted_zone_id: str,
    *,
    opts: pulumi.ResourceOptions,
    region: str | None = None,
) -> pulumi.Output[str]:
    """Declare a certificate and its proof; its ARN is there only once it is issued.

    Args:
        name: what the resources' names begin with.
        domain: the host name that it is for.
        hosted_zone_id: the Route 53 zone that gets the proof.
        opts: of every resource.
        region: where the certificate is; None for the stack's own Region.
    """
    certificate = aws.acm.Certificate(
        f"{name}-certificate", domain_name=domain, validation_method="DNS", region=region, opts=opts
    )
    asked = certificate.domain_validation_options[0]
    record = aws.route53.Record(
        f"{name}-certificate-proof",
        zone_id=hosted_zone_id,
        name=asked.resource_record_name,
        type=asked.resource_record_type,
        records=[asked.resource_record_value],
        ttl=300,
        opts=opts,
    )
    issued = aws.acm.CertificateValidation(
        f"{name}-certificate-issued",
        certificate_arn=certificate.arn,
        validation_record_fqdns=[record.fqdn],
        region=region,
        opts=opts,
    )
    return issued.certificate_arn

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
    """Declare a certificate and its validation record; return its ARN, which is known only once it is issued.

    Args:
        name: prefix of the resources' names.
        domain: the certificate's host name.
        hosted_zone_id: the Route 53 zone for the validation record.
        opts: of every resource.
        region: of the certificate; None for the stack's own Region.
    """
    certificate = aws.acm.Certificate(
        f"{name}-certificate", domain_name=domain, validation_method="DNS", region=region, opts=opts
    )
    validation = certificate.domain_validation_options[0]
    record = aws.route53.Record(
        f"{name}-certificate-proof",
        zone_id=hosted_zone_id,
        name=validation.resource_record_name,
        type=validation.resource_record_type,
        records=[validation.resource_record_value],
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

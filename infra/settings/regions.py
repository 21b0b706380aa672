"""The Regions that a stack can be in: those that the provider knows and whose host names this program writes."""

from __future__ import annotations

import pulumi_aws as aws

from infra.settings.patterns import Pattern

ELSEWHERE = ("cn-", "eusc-", "us-iso", "eu-iso")
"""Prefixes of Regions whose host names do not end in amazonaws.com, which the components assume."""

REGIONS = frozenset(region.value for region in aws.Region if not region.value.startswith(ELSEWHERE))


def is_government(region: str) -> bool:
    """Whether a Region is one of AWS GovCloud, where some host names differ."""
    return region.startswith("us-gov-")


def partition_of(region: str) -> str:
    """The partition of one of `REGIONS`, as ARNs name it."""
    return "aws-us-gov" if is_government(region) else "aws"


REGION = Pattern(
    "the name of an AWS Region, like us-east-1",
    "|".join(sorted(REGIONS)),
    why="pulumi-aws knows no such Region, or none whose host names end in amazonaws.com",
)

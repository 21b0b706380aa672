"""Reads partition and account from an ARN, so that the program needs no look-up for them."""

from __future__ import annotations

import pulumi


def partition(arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """``aws``, ``aws-us-gov`` and so on: the second field of an ARN."""
    return arn.apply(lambda text: text.split(":")[1])


def account_id(arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """The twelve digits of the account that owns the resource: the fifth field of an ARN."""
    return arn.apply(lambda text: text.split(":")[4])

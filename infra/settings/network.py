"""Settings of the private path from the API to the runtime."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field

from infra.settings.base import Settings, impossible
from infra.settings.patterns import Pattern

PRIVATE = [ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
"""The networks of RFC 1918, which AWS recommends for a VPC. Others that Python calls private, such as loopback, cannot
be routed (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)."""


def _is_a_private_network(text: str) -> None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise impossible(f"that is not a network ({error})", f"write {CIDR.description}") from None
    if not any(network.subnet_of(each) for each in PRIVATE):
        raise impossible(
            f"a VPC's addresses must be within {', '.join(map(str, PRIVATE))}", f"write {CIDR.description}"
        )
    if not 16 <= network.prefixlen <= 24:
        raise impossible("AWS allows no VPC larger than a /16, and the subnets need a /24", f"write {CIDR.description}")


CIDR = Pattern("a private network of between /16 and /24, like 10.87.0.0/24", check=_is_a_private_network)
ZONE = Pattern("a letter", r"[a-z]", why="an availability zone is named by its letter")


class NetworkSettings(Settings):
    """The VPC through which the API reaches the runtime; only with bypassProtection: private."""

    cidr: Annotated[str, CIDR] = Field("10.87.0.0/24", description="The VPC's addresses.")
    # Zones are named, never looked up: a look-up would need credentials in a preview.
    zones: list[Annotated[str, ZONE]] = Field(
        ["a", "b"], min_length=2, max_length=3, description="Letters of the availability zones."
    )

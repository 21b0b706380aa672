"""Settings of the private way from the API to the runtime."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from infra.settings.base import Settings, impossible


class NetworkSettings(Settings):
    """The VPC through which requests go when the bypass protection is private."""

    cidr: str = Field("10.87.0.0/24", description="The VPC's addresses: a /24 or larger private network.")
    # Zones are named, never looked up: a look-up would need credentials in a preview.
    zones: list[str] = Field(
        ["a", "b"], min_length=2, max_length=3, description="Letters of the availability zones, two at least."
    )

    @field_validator("cidr")
    @classmethod
    def _is_a_private_network(cls, value: str) -> str:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as error:
            raise impossible(f"{value!r} is not a network ({error})", "write it like 10.87.0.0/24") from None
        if not (network.is_private and 16 <= network.prefixlen <= 24):
            raise impossible(f"{value} is not a private network of between /16 and /24", "write it like 10.87.0.0/24")
        return value

    @field_validator("zones")
    @classmethod
    def _are_letters(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value) or any(len(zone) != 1 or not zone.islower() for zone in value):
            raise impossible("an availability zone is named by its letter", "write different letters, like [a, b]")
        return value

"""Settings of the web ACL. Bounds: https://docs.aws.amazon.com/waf/latest/developerguide/limits.html."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from infra.settings.base import Contradiction, Settings, impossible
from infra.settings.patterns import Pattern

RateWindow = Literal[60, 120, 300, 600]


def _is_a_network(text: str) -> None:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise impossible(f"that is not a network ({error})", f"write {NETWORK.description}") from None
    if network.prefixlen == 0:
        raise impossible("WAF refuses a network of all addresses", "write narrower networks")


NETWORK = Pattern("a network like 192.0.2.0/24 or 2001:db8::/32", r"[0-9A-Fa-f.:/]+", check=_is_a_network)
Network = Annotated[str, NETWORK, AfterValidator(lambda text: str(ipaddress.ip_network(text)))]


class FirewallSettings(Settings):
    """The web ACL: what it refuses before authentication."""

    body_limit_kb: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Larger request bodies are blocked; at most inspectionKb. Left out: bodies of up to 10 MB pass, as "
        "AG-UI clients send the whole conversation, and those that WAF cannot inspect as a whole are counted.",
    )
    inspection_kb: Literal[16, 32, 48, 64] = Field(
        64, description="How much of a body WAF inspects. Above 16, larger requests cost extra."
    )
    requests_per_address: int = Field(
        600, ge=10, le=2_000_000_000, description="Requests from one address in a window before it is blocked."
    )
    requests_per_token: int = Field(
        300, ge=10, le=2_000_000_000, description="Requests with one Authorization header in a window."
    )
    one_token_spelling: bool = Field(
        True,
        description="Refuse a token in any other spelling than its issuer's, after Bearer and one space: each spelling "
        "would have a count of its own.",
    )
    rate_window_seconds: RateWindow = Field(300, description="The window of both rates.")
    anonymous_addresses: bool = Field(
        False, description="Also block VPNs, proxies, Tor and hosting providers (AWSManagedRulesAnonymousIpList)."
    )
    bot_control: bool = Field(
        False,
        description="Also block bots (AWSManagedRulesBotControlRuleSet, Common level; billed by request). It takes "
        "command-line clients for bots: for stacks with browsers only.",
    )
    only_addresses: list[Network] = Field(
        [], max_length=10_000, description="When given, every other address is blocked."
    )
    blocked_addresses: list[Network] = Field([], max_length=10_000, description="These are blocked.")
    log_passed_requests: bool = Field(
        False, description="Log every request; otherwise only those that a rule blocked or counted."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if self.body_limit_kb is not None and self.body_limit_kb > self.inspection_kb:
            yield Contradiction(
                ("bodyLimitKb", "inspectionKb"),
                f"WAF inspects {self.inspection_kb} KB of a body, so the rest would reach the agent uninspected",
                f"write {self.inspection_kb} or less",
            )
        both = sorted(set(self.only_addresses) & set(self.blocked_addresses))
        if both:
            yield Contradiction(
                ("blockedAddresses", "onlyAddresses"),
                f"{', '.join(both)} is both allowed and blocked",
                "remove it from one of the lists",
            )

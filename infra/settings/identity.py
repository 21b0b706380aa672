"""Settings of the user pool. Bounds: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from infra.settings.base import Contradiction, Settings, impossible
from infra.settings.patterns import Pattern, is_private, web_address

RESERVED = ("aws", "amazon", "cognito")
"""Words that Cognito refuses in a domain prefix
(https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html)."""


def _is_valid_callback(text: str) -> None:
    url = web_address(text)
    if "*" in text or url.fragment is not None:
        raise impossible("Cognito accepts neither a * nor a # in it", "write the page's full address")
    if not is_private(url):
        raise impossible(
            "Cognito sends an authorization code there, over https or to localhost only",
            f"write {CALLBACK_URL.description}",
        )


def _is_not_reserved(text: str) -> None:
    for word in RESERVED:
        if word in text:
            raise impossible(f"Cognito reserves every domain with {word} in it", "choose another prefix")


CALLBACK_URL = Pattern(
    "a page's https:// address, like https://chat.example.com/, or http:// on localhost", check=_is_valid_callback
)
DOMAIN_PREFIX = Pattern(
    "at most 63 lower-case letters, digits and inner hyphens, or nothing",
    r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?",
    check=_is_not_reserved,
)
# AgentCore's custom claims match these characters only, and the claim travels in a 4 KB header.
GROUP = Pattern(
    "at most 64 letters, digits, dots, hyphens and underscores",
    r"[A-Za-z0-9_.-]{1,64}",
    why="the group could not be matched as a claim",
)


class IdentitySettings(Settings):
    """Who may sign in, how, and for how long a sign-in lasts."""

    tier: Literal["ESSENTIALS", "PLUS"] = Field(
        "ESSENTIALS",
        description="Cognito's feature plan. Threat protection needs PLUS. LITE, without managed login, is refused.",
    )
    self_sign_up: bool = Field(False, description="Anybody may create an account; otherwise an administrator does.")
    # "none" and not "off", which YAML reads as false.
    mfa: Literal["none", "optional", "required"] = Field(
        "optional", description="A second factor from an authenticator app. SMS is not offered."
    )
    threat_protection: Literal["none", "audit", "enforced"] = Field(
        "none", description="Cognito's risk scoring of sign-ins: reported (audit) or acted on (enforced)."
    )
    password_length: int = Field(
        12, ge=8, le=99, description="Shortest password; all four kinds of character are required."
    )
    password_history: int = Field(
        5, ge=0, le=24, description="How many earlier passwords are refused as a new one. 0: none."
    )
    firewall: bool = Field(
        False,
        description="Associate the web ACL with the user pool too: its login pages, and calls without AWS credentials. "
        "Its rates then count a user's sign-ins together with requests to the API.",
    )
    temporary_password_days: int = Field(7, ge=1, le=365, description="How long an invitation is valid.")
    id_token_minutes: int = Field(
        60,
        ge=5,
        le=1440,
        description="Lifetime of ID and access tokens. A token cannot be revoked before it expires: "
        "API Gateway and AgentCore validate it offline. A production stack allows 60 at most.",
    )
    refresh_token_days: int = Field(30, ge=1, le=3650, description="Lifetime of a sign-in.")
    refresh_token_rotation: bool = Field(
        True,
        description="Every refresh replaces the refresh token, so a stolen one is soon worthless. Clients must then "
        "call GetTokensFromRefreshToken: Cognito refuses REFRESH_TOKEN_AUTH.",
    )
    rotation_grace_seconds: int = Field(
        30, ge=0, le=60, description="How long a replaced refresh token still works, for a client that must retry."
    )
    callback_urls: list[Annotated[str, CALLBACK_URL]] = Field(
        ["http://localhost:5173/"],
        min_length=1,
        max_length=100,
        description="Addresses to which the login page may send the browser back, after signing in and out.",
    )
    domain_prefix: Annotated[str, DOMAIN_PREFIX] = Field(
        "",
        description="First label of the login page's host name. Empty: the stack's name and the account's number.",
    )
    groups: list[Annotated[str, GROUP]] = Field(
        [], max_length=25, description="User groups to declare; they arrive as the cognito:groups claim."
    )
    deletion_protection: bool = Field(True, description="Cognito refuses to delete the pool, and its users with it.")
    protect: bool = Field(
        False,
        description="Pulumi refuses to delete or replace what cannot be recreated: the pool with its users, the API "
        "with its address, the agent's memory, the logs.",
    )

    @field_validator("tier", mode="before")
    @classmethod
    def _has_login_pages(cls, tier: object) -> object:
        if tier == "LITE":
            raise impossible(
                "the LITE plan has no managed login pages, and the stack declares them", "write ESSENTIALS or PLUS"
            )
        return tier

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if self.threat_protection != "none" and self.tier != "PLUS":
            yield Contradiction(
                ("threatProtection", "tier"),
                f"threat protection is part of the PLUS plan and tier is {self.tier}",
                "write tier: PLUS, or threatProtection: none",
            )
        if self.id_token_minutes > self.refresh_token_days * 1440:
            yield Contradiction(
                ("refreshTokenDays", "idTokenMinutes"),
                "a refresh token that expires before the ID token cannot refresh it",
                "raise refreshTokenDays",
            )

"""The Cognito user pool, and the app client for which its tokens are issued."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.component import Component, StackContext
from infra.settings.identity import IdentitySettings
from infra.settings.regions import is_government

MFA = {"none": "OFF", "optional": "OPTIONAL", "required": "ON"}
"""Cognito's names for whether a second factor is required."""

MANAGED_LOGIN = 2
"""The version of the login pages; 1 is the classic hosted UI."""


class Identity(Component):
    """A user pool, one public app client and the managed login pages.

    Pulumi type: ``agentstream:infra:Identity``. Produces ``cognito.UserPool``, ``cognito.UserPoolClient``,
    ``cognito.UserPoolDomain``, ``cognito.ManagedLoginBranding`` and a ``cognito.UserGroup`` for each group. Leaves
    users to administrators, and the checking of tokens to the API's authorizer and the
    runtime.

    The app client has no secret: it serves browsers and command lines, which cannot keep one.
    """

    user_pool_arn: pulumi.Output[str]
    user_pool_id: pulumi.Output[str]
    client_id: pulumi.Output[str]
    issuer: pulumi.Output[str]
    """The ``iss`` claim of the pool's tokens."""
    discovery_url: pulumi.Output[str]
    """The OpenID Connect discovery document, from which the runtime learns the pool's keys."""
    login_url: pulumi.Output[str]

    def __init__(
        self,
        stack: StackContext,
        settings: IdentitySettings,
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("Identity", stack, opts)
        name, region = stack.name, stack.region

        pool = aws.cognito.UserPool(
            f"{name}-users",
            user_pool_tier=settings.tier,
            username_attributes=["email"],
            # By default You@example.com and you@example.com would be two users, which can never be changed.
            username_configuration={"case_sensitive": False},
            auto_verified_attributes=["email"],
            # Changing a verified address locks no user out: the old one stays valid until the new one is verified.
            user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
            admin_create_user_config={"allow_admin_create_user_only": not settings.self_sign_up},
            password_policy={
                "minimum_length": settings.password_length,
                "require_lowercase": True,
                "require_numbers": True,
                "require_symbols": True,
                "require_uppercase": True,
                "temporary_password_validity_days": settings.temporary_password_days,
                "password_history_size": settings.password_history,
            },
            account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
            deletion_protection="ACTIVE" if settings.deletion_protection else "INACTIVE",
            mfa_configuration=MFA[settings.mfa],
            software_token_mfa_configuration={"enabled": True} if settings.mfa != "none" else None,
            user_pool_add_ons={"advanced_security_mode": settings.threat_protection.upper()}
            if settings.threat_protection != "none"
            else None,
            opts=pulumi.ResourceOptions(parent=self, protect=stack.protect),
        )
        client = _app_client(name, settings, pool, self._kept)
        # A login domain is unique in its Region across all accounts, so the default contains the account's number.
        domain = aws.cognito.UserPoolDomain(
            f"{name}-login",
            user_pool_id=pool.id,
            domain=settings.domain_prefix or pool.arn.apply(lambda arn: f"{name}-{arn.split(':')[4]}"),
            managed_login_version=MANAGED_LOGIN,
            # A pool has one domain of this kind, and refuses a second while the first exists.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # Login pages of version 2 show "Login pages unavailable" until the app client has a branding style
        # (https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-brandingeditor.html).
        aws.cognito.ManagedLoginBranding(
            f"{name}-branding",
            user_pool_id=pool.id,
            client_id=client.id,
            use_cognito_provided_values=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[domain]),
        )
        for group in settings.groups:
            aws.cognito.UserGroup(f"{name}-group-{group}", user_pool_id=pool.id, name=group, opts=self._kept)

        self.user_pool_arn = pool.arn
        self.user_pool_id = pool.id
        self.client_id = client.id
        self.issuer = pulumi.Output.concat("https://cognito-idp.", region, ".amazonaws.com/", pool.id)
        self.discovery_url = pulumi.Output.concat(self.issuer, "/.well-known/openid-configuration")
        # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
        pages = "auth-fips" if is_government(region) else "auth"
        self.login_url = pulumi.Output.concat("https://", domain.domain, f".{pages}.{region}.amazoncognito.com")
        self.register_outputs({"userPoolId": pool.id, "clientId": client.id, "issuer": self.issuer})


def _app_client(
    name: str, settings: IdentitySettings, pool: aws.cognito.UserPool, opts: pulumi.ResourceOptions
) -> aws.cognito.UserPoolClient:
    """The only client for which tokens are issued: SRP for command lines, code grant with PKCE for the page."""
    flows = ["ALLOW_USER_SRP_AUTH"]
    if not settings.refresh_token_rotation:
        # Cognito refuses REFRESH_TOKEN_AUTH together with rotation
        # (https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html).
        flows.append("ALLOW_REFRESH_TOKEN_AUTH")
    return aws.cognito.UserPoolClient(
        f"{name}-client",
        user_pool_id=pool.id,
        generate_secret=False,
        explicit_auth_flows=flows,
        allowed_oauth_flows_user_pool_client=True,
        allowed_oauth_flows=["code"],
        allowed_oauth_scopes=["openid", "email", "profile"],
        supported_identity_providers=["COGNITO"],
        callback_urls=settings.callback_urls,
        logout_urls=settings.callback_urls,
        id_token_validity=settings.id_token_minutes,
        access_token_validity=settings.id_token_minutes,
        refresh_token_validity=settings.refresh_token_days,
        token_validity_units={"id_token": "minutes", "access_token": "minutes", "refresh_token": "days"},
        # Set even when disabled: without the block the previous setting would stay.
        refresh_token_rotation={
            "feature": "ENABLED",
            "retry_grace_period_seconds": settings.rotation_grace_seconds,
        }
        if settings.refresh_token_rotation
        else {"feature": "DISABLED"},
        enable_token_revocation=True,
        # A wrong password and an unknown user get the same answer.
        prevent_user_existence_errors="ENABLED",
        # A user may read what the token says and change nothing that an administrator or a check relies on.
        read_attributes=["email", "email_verified", "name"],
        write_attributes=["email", "name"],
        opts=opts,
    )

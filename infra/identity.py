"""Who the caller is: the Cognito user pool and the app client that its tokens are made for."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.config import IdentitySettings


class Identity(pulumi.ComponentResource):
    """A user pool, one public app client and the login domain.

    Pulumi type: ``agentstream:infra:Identity``. Produces ``cognito.UserPool``, ``cognito.UserPoolClient`` and
    ``cognito.UserPoolDomain``. Leaves users to administrators, and the checking of tokens to the API's authorizer
    and the runtime.

    The app client has no secret: it serves browsers and command lines, where a secret would not stay one.
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
        name: str,
        settings: IdentitySettings,
        *,
        region: str,
        tags: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("agentstream:infra:Identity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        pool = aws.cognito.UserPool(
            f"{name}-users",
            username_attributes=["email"],
            auto_verified_attributes=["email"],
            admin_create_user_config={"allow_admin_create_user_only": not settings.self_sign_up},
            password_policy={
                "minimum_length": 12,
                "require_lowercase": True,
                "require_numbers": True,
                "require_symbols": True,
                "require_uppercase": True,
                "temporary_password_validity_days": 7,
            },
            account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
            tags=tags,
            opts=child,
        )
        client = aws.cognito.UserPoolClient(
            f"{name}-client",
            user_pool_id=pool.id,
            generate_secret=False,
            explicit_auth_flows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
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
            enable_token_revocation=True,
            prevent_user_existence_errors="ENABLED",
            opts=child,
        )
        # A login domain is unique in its Region across all accounts, so it carries the account's number.
        domain = aws.cognito.UserPoolDomain(
            f"{name}-login",
            user_pool_id=pool.id,
            domain=pool.arn.apply(lambda arn: f"{name}-{arn.split(':')[4]}"),
            opts=child,
        )

        self.user_pool_arn = pool.arn
        self.user_pool_id = pool.id
        self.client_id = client.id
        self.issuer = pulumi.Output.concat("https://cognito-idp.", region, ".amazonaws.com/", pool.id)
        self.discovery_url = pulumi.Output.concat(self.issuer, "/.well-known/openid-configuration")
        self.login_url = pulumi.Output.concat("https://", domain.domain, ".auth.", region, ".amazoncognito.com")
        self.register_outputs({"userPoolId": pool.id, "clientId": client.id, "issuer": self.issuer})

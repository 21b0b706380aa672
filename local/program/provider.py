"""Providers in place of AWS: one mocks ids, ARNs and addresses; another creates the user pool in an emulator."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from client.cognito import bare_session
from contract import Kind
from local.program.graph import MockedOutputs, ProgramError, Resource
from local.program.mocked_outputs import ACCOUNT, MOCKED

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


POOL, CLIENT, DOMAIN = (
    "aws:cognito/userPool:UserPool",
    Kind.USER_POOL_CLIENT,
    "aws:cognito/userPoolDomain:UserPoolDomain",
)


class MockProvider:
    """Derives ids and outputs from the declaration alone, the same every time."""

    def __init__(self, region: str = "us-east-1") -> None:
        self.region = region

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        """See `local.program.graph.Provider`."""
        answer = MOCKED.get(type_)
        region = inputs.get("region", self.region)  # resources for CloudFront are in another Region
        if answer is not None:
            return answer(region, name, inputs)
        service, kind = type_.split(":")[1].partition("/")[0], type_.split(":")[2]
        return name, {
            "arn": f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}/{name}",
            "name": inputs.get("name", name),
        }


class UnknownProvider:
    """Returns nothing, as in a first preview: with ``preview=True`` every id and output stays unknown."""

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        """See `local.program.graph.Provider`."""
        return "", {}


class EmulatorProvider(MockProvider):
    """As `MockProvider`, but creates the user pool, its client and its domain in the emulator."""

    def __init__(self, endpoint: str, region: str = "us-east-1", *, page: str | None = None) -> None:
        """``page``: the local page's address, added to every app client's callback URLs; no stack declares its port."""
        super().__init__(region)
        self.endpoint = endpoint
        self._page = [page] if page else []
        self._cognito: CognitoIdentityProviderClient | None = None

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        """See `local.program.graph.Provider`."""
        create = {POOL: self._create_pool, CLIENT: self._create_client, DOMAIN: self._create_domain}.get(type_)
        return create(name, inputs) if create else super().create(type_, name, inputs)

    @property
    def cognito(self) -> CognitoIdentityProviderClient:
        """A boto3 client of the emulator's Cognito, made when first needed."""
        if self._cognito is None:
            self._cognito = cognito_client(self.endpoint, self.region)
        return self._cognito

    def update(self, known: Resource, inputs: Mapping[str, Any]) -> MockedOutputs:
        """Update a resource to its declaration, as Cognito does: pool and client keep their ids, a domain does not."""
        pool = inputs.get("userPoolId")
        if known.type == POOL and _immutable(known.inputs) == _immutable(inputs):
            self.cognito.update_user_pool(UserPoolId=known.id, **_pool_settings(inputs))
            return known.id, dict(known.outputs)
        if known.type == CLIENT and known.inputs["userPoolId"] == pool:
            self.cognito.update_user_pool_client(UserPoolId=pool, ClientId=known.id, **self._client_settings(inputs))
            return known.id, dict(known.outputs)
        if known.inputs == inputs:
            return known.id, dict(known.outputs)
        if known.type == DOMAIN:
            self.cognito.delete_user_pool_domain(Domain=known.id, UserPoolId=known.inputs["userPoolId"])
        return self.create(known.type, known.name, inputs)

    def _create_pool(self, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        pool = self.cognito.create_user_pool(
            PoolName=name, UsernameAttributes=_immutable(inputs), **_pool_settings(inputs)
        )["UserPool"]
        id_ = pool["Id"]
        endpoint = f"cognito-idp.{self.region}.amazonaws.com/{id_}"
        return id_, {"arn": pool["Arn"], "endpoint": endpoint, "name": name}

    def _create_client(self, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        client = self.cognito.create_user_pool_client(
            ClientName=name,
            UserPoolId=inputs["userPoolId"],
            GenerateSecret=inputs.get("generateSecret", False),
            **self._client_settings(inputs),
        )["UserPoolClient"]
        return client["ClientId"], {"name": name}

    def _client_settings(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        settings = _client_settings(inputs)
        return {**settings, **{name: [*settings[name], *self._page] for name in ("CallbackURLs", "LogoutURLs")}}

    def _create_domain(self, _name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        self.cognito.create_user_pool_domain(Domain=inputs["domain"], UserPoolId=inputs["userPoolId"])
        return inputs["domain"], {}


def _immutable(inputs: Mapping[str, Any]) -> Any:
    """The settings of a pool that cannot change: with others it is replaced."""
    return inputs.get("usernameAttributes", [])


def _pool_settings(inputs: Mapping[str, Any]) -> dict[str, Any]:
    policy = inputs.get("passwordPolicy", {})
    sign_up = inputs.get("adminCreateUserConfig", {})
    return {
        "AutoVerifiedAttributes": inputs.get("autoVerifiedAttributes", []),
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": sign_up.get("allowAdminCreateUserOnly", False)},
        "Policies": {
            "PasswordPolicy": {
                "MinimumLength": policy.get("minimumLength", 8),
                "RequireLowercase": policy.get("requireLowercase", False),
                "RequireUppercase": policy.get("requireUppercase", False),
                "RequireNumbers": policy.get("requireNumbers", False),
                "RequireSymbols": policy.get("requireSymbols", False),
                "TemporaryPasswordValidityDays": policy.get("temporaryPasswordValidityDays", 7),
            }
        },
    }


def _client_settings(inputs: Mapping[str, Any]) -> dict[str, Any]:
    units = inputs.get("tokenValidityUnits", {})
    rotation = inputs.get("refreshTokenRotation", {})
    return {
        "ExplicitAuthFlows": inputs.get("explicitAuthFlows", []),
        "IdTokenValidity": inputs.get("idTokenValidity", 60),
        "AccessTokenValidity": inputs.get("accessTokenValidity", 60),
        "RefreshTokenValidity": inputs.get("refreshTokenValidity", 30),
        "TokenValidityUnits": {
            "IdToken": units.get("idToken", "hours"),
            "AccessToken": units.get("accessToken", "hours"),
            "RefreshToken": units.get("refreshToken", "days"),
        },
        "AllowedOAuthFlowsUserPoolClient": inputs.get("allowedOauthFlowsUserPoolClient", False),
        "AllowedOAuthFlows": inputs.get("allowedOauthFlows", []),
        "AllowedOAuthScopes": inputs.get("allowedOauthScopes", []),
        "CallbackURLs": inputs.get("callbackUrls", []),
        "LogoutURLs": inputs.get("logoutUrls", []),
        "SupportedIdentityProviders": inputs.get("supportedIdentityProviders", []),
        "PreventUserExistenceErrors": inputs.get("preventUserExistenceErrors", "LEGACY"),
        "EnableTokenRevocation": inputs.get("enableTokenRevocation", True),
        "RefreshTokenRotation": {
            "Feature": rotation.get("feature", "DISABLED"),
            "RetryGracePeriodSeconds": rotation.get("retryGracePeriodSeconds", 0),
        },
    }


def cognito_client(endpoint: str, region: str, *, wait_seconds: float = 10.0) -> CognitoIdentityProviderClient:
    """A Cognito client of the emulator, which may still be starting.

    Args:
        endpoint: the emulator's address on loopback.
        region: any Region; it becomes part of the pool's id.
        wait_seconds: how long to wait for the emulator to answer.

    Raises:
        ProgramError: when it does not.
    """
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import EndpointConnectionError, HTTPClientError  # noqa: PLC0415

    # A bare session ignores the user's AWS settings and credentials.
    client: CognitoIdentityProviderClient = bare_session().create_client(
        "cognito-idp",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the emulator checks none; a real key must not be sent to it
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10, proxies={}),
    )
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            client.list_user_pools(MaxResults=1)
        except (EndpointConnectionError, HTTPClientError):
            if time.monotonic() > deadline:
                raise ProgramError(f"The emulator at {endpoint} does not answer; its log says why.") from None
            time.sleep(0.05)
        else:
            return client

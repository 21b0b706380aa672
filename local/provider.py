"""What AWS would answer to a declaration: ids, ARNs and addresses, imagined; the user pool, real in an emulator."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from local.graph import Answer, ProgramError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

ACCOUNT = "000000000000"
"""The account that the emulator's own ARNs name."""


class ImaginedProvider:
    """Answers from the declaration alone, the same every time."""

    def __init__(self, region: str = "us-east-1") -> None:
        self.region = region

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Answer:
        """See `local.graph.Provider`."""
        answer = _ANSWERS.get(type_)
        if answer is not None:
            return answer(self.region, name, inputs)
        service, kind = type_.split(":")[1].partition("/")[0], type_.split(":")[2]
        return name, {"arn": f"arn:aws:{service}:{self.region}:{ACCOUNT}:{kind}/{name}", "name": name}


class UnknownProvider:
    """Answers nothing, as in a first preview: with ``preview=True`` every id and output stays unknown."""

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Answer:
        """See `local.graph.Provider`."""
        return "", {}


def token(name: str, length: int = 10) -> str:
    """A made-up identifier in the alphabet AWS uses, always the same for a name."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def _user_pool(region: str, name: str, _inputs: Mapping[str, Any]) -> Answer:
    pool = f"{region}_{token(name, 9)}"
    return pool, {
        "arn": f"arn:aws:cognito-idp:{region}:{ACCOUNT}:userpool/{pool}",
        "endpoint": f"cognito-idp.{region}.amazonaws.com/{pool}",
        "name": name,
    }


def _rest_api(region: str, name: str, _inputs: Mapping[str, Any]) -> Answer:
    api = token(name)
    return api, {
        "arn": f"arn:aws:apigateway:{region}::/restapis/{api}",
        "executionArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}",
        "rootResourceId": token(f"{name}-root"),
        "name": name,
    }


def _stage(region: str, _name: str, inputs: Mapping[str, Any]) -> Answer:
    api, stage = inputs["restApi"], inputs["stageName"]
    return f"ags-{api}-{stage}", {
        "arn": f"arn:aws:apigateway:{region}::/restapis/{api}/stages/{stage}",
        "executionArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}/{stage}",
        "invokeUrl": f"https://{api}.execute-api.{region}.amazonaws.com/{stage}",
    }


def _agent_runtime(region: str, name: str, inputs: Mapping[str, Any]) -> Answer:
    runtime = f"{inputs['agentRuntimeName']}-{token(name)}"
    return runtime, {
        "agentRuntimeId": runtime,
        "agentRuntimeArn": f"arn:aws:bedrock-agentcore:{region}:{ACCOUNT}:runtime/{runtime}",
        "agentRuntimeVersion": "1",
        "workloadIdentityDetails": [],
    }


def _web_acl(region: str, name: str, _inputs: Mapping[str, Any]) -> Answer:
    acl = token(name, 32)
    return acl, {
        "arn": f"arn:aws:wafv2:{region}:{ACCOUNT}:regional/webacl/{name}/{acl}",
        "capacity": 0,
        "name": name,
    }


def _bucket(_region: str, name: str, _inputs: Mapping[str, Any]) -> Answer:
    bucket = f"{name}-{token(name, 7)}"
    return bucket, {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}"}


def _role(_region: str, name: str, _inputs: Mapping[str, Any]) -> Answer:
    role = f"{name}-{token(name, 7)}"
    return role, {"name": role, "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}


def _random_password(_region: str, name: str, inputs: Mapping[str, Any]) -> Answer:
    characters = hashlib.sha512(name.encode()).hexdigest() * 2
    return "none", {"result": characters[: int(inputs["length"])]}


_ANSWERS: Mapping[str, Callable[[str, str, Mapping[str, Any]], Answer]] = {
    "aws:cognito/userPool:UserPool": _user_pool,
    "aws:cognito/userPoolClient:UserPoolClient": lambda _region, name, _inputs: (
        token(name, 26),
        {"name": name},
    ),
    "aws:apigateway/restApi:RestApi": _rest_api,
    "aws:apigateway/stage:Stage": _stage,
    "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime": _agent_runtime,
    "aws:wafv2/webAcl:WebAcl": _web_acl,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:iam/role:Role": _role,
    "random:index/randomPassword:RandomPassword": _random_password,
}


class EmulatorProvider(ImaginedProvider):
    """As `ImaginedProvider`, but the user pool, its client and its domain come to exist in the emulator."""

    def __init__(self, endpoint: str, region: str = "us-east-1") -> None:
        super().__init__(region)
        self.endpoint = endpoint
        self._cognito: CognitoIdentityProviderClient | None = None

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Answer:
        """See `local.graph.Provider`."""
        create = {
            "aws:cognito/userPool:UserPool": self._create_pool,
            "aws:cognito/userPoolClient:UserPoolClient": self._create_client,
            "aws:cognito/userPoolDomain:UserPoolDomain": self._create_domain,
        }.get(type_)
        return create(name, inputs) if create else super().create(type_, name, inputs)

    @property
    def cognito(self) -> CognitoIdentityProviderClient:
        """A boto3 client of the emulator's Cognito, made when first needed."""
        if self._cognito is None:
            self._cognito = cognito_client(self.endpoint, self.region)
        return self._cognito

    def _create_pool(self, name: str, inputs: Mapping[str, Any]) -> Answer:
        policy = inputs.get("passwordPolicy", {})
        pool = self.cognito.create_user_pool(
            PoolName=name,
            UsernameAttributes=inputs.get("usernameAttributes", []),
            AutoVerifiedAttributes=inputs.get("autoVerifiedAttributes", []),
            AdminCreateUserConfig={
                "AllowAdminCreateUserOnly": inputs.get("adminCreateUserConfig", {}).get(
                    "allowAdminCreateUserOnly", False
                )
            },
            Policies={
                "PasswordPolicy": {
                    "MinimumLength": policy.get("minimumLength", 8),
                    "RequireLowercase": policy.get("requireLowercase", False),
                    "RequireUppercase": policy.get("requireUppercase", False),
                    "RequireNumbers": policy.get("requireNumbers", False),
                    "RequireSymbols": policy.get("requireSymbols", False),
                    "TemporaryPasswordValidityDays": policy.get("temporaryPasswordValidityDays", 7),
                }
            },
        )["UserPool"]
        id_ = pool["Id"]
        endpoint = f"cognito-idp.{self.region}.amazonaws.com/{id_}"
        return id_, {"arn": pool["Arn"], "endpoint": endpoint, "name": name}

    def _create_client(self, name: str, inputs: Mapping[str, Any]) -> Answer:
        units = inputs.get("tokenValidityUnits", {})
        client = self.cognito.create_user_pool_client(
            ClientName=name,
            UserPoolId=inputs["userPoolId"],
            GenerateSecret=inputs.get("generateSecret", False),
            ExplicitAuthFlows=inputs.get("explicitAuthFlows", []),
            IdTokenValidity=inputs.get("idTokenValidity", 60),
            AccessTokenValidity=inputs.get("accessTokenValidity", 60),
            RefreshTokenValidity=inputs.get("refreshTokenValidity", 30),
            TokenValidityUnits={
                "IdToken": units.get("idToken", "hours"),
                "AccessToken": units.get("accessToken", "hours"),
                "RefreshToken": units.get("refreshToken", "days"),
            },
            AllowedOAuthFlowsUserPoolClient=inputs.get("allowedOauthFlowsUserPoolClient", False),
            AllowedOAuthFlows=inputs.get("allowedOauthFlows", []),
            AllowedOAuthScopes=inputs.get("allowedOauthScopes", []),
            CallbackURLs=inputs.get("callbackUrls", []),
            LogoutURLs=inputs.get("logoutUrls", []),
            SupportedIdentityProviders=inputs.get("supportedIdentityProviders", []),
        )["UserPoolClient"]
        return client["ClientId"], {"name": name}

    def _create_domain(self, _name: str, inputs: Mapping[str, Any]) -> Answer:
        self.cognito.create_user_pool_domain(Domain=inputs["domain"], UserPoolId=inputs["userPoolId"])
        return inputs["domain"], {}


def cognito_client(endpoint: str, region: str, *, patience: float = 10.0) -> CognitoIdentityProviderClient:
    """A Cognito client of the emulator, which may still be starting.

    Args:
        endpoint: the emulator's address on loopback.
        region: any Region; it becomes part of the pool's id.
        patience: seconds to wait for the emulator to answer.

    Raises:
        ProgramError: when it does not.
    """
    import boto3  # noqa: PLC0415 - half a second that a plain look at the graph need not pay
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import EndpointConnectionError, HTTPClientError  # noqa: PLC0415

    client = boto3.client(
        "cognito-idp",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the emulator checks none; no real key may be sent by accident
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )
    deadline = time.monotonic() + patience
    while True:
        try:
            client.list_user_pools(MaxResults=1)
        except (EndpointConnectionError, HTTPClientError):
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"The emulator at {endpoint} does not answer; see .local/logs/emulator.log."
                ) from None
            time.sleep(0.05)
        else:
            return client

"""Clients for Cognito's API that ignore the user's AWS configuration, except proxies and certificates."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from client.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

# Overrides botocore's sources for these settings: a stale AWS_PROFILE or a broken file would make every call fail.
# Each value: (key in a profile, environment variable, default, conversion).
# https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
_NO_PROFILE = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))


def cognito(outputs: Outputs) -> CognitoIdentityProviderClient:
    """Return a client for calls that have a token or a password proof instead of an AWS signature."""
    from botocore import UNSIGNED  # noqa: PLC0415 - takes half a second, not needed with a stored token

    return _client(outputs, signature_version=UNSIGNED)


def emulated_administrator(outputs: Outputs) -> CognitoIdentityProviderClient:
    """Return a client for an administrator's calls to a local run's emulator, which accepts any signature."""
    made_up = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}  # never the user's real keys
    return _client(outputs, **made_up)


def _client(outputs: Outputs, signature_version: Any = None, **credentials: str) -> CognitoIdentityProviderClient:
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        signature_version=signature_version,
        connect_timeout=5,
        read_timeout=15,
        retries={"total_max_attempts": 2},
        # No proxy for loopback; None uses the proxies in the environment.
        proxies={} if outputs.is_local else None,
    )
    made: CognitoIdentityProviderClient = bare_session().create_client(
        "cognito-idp", region_name=outputs.region, endpoint_url=outputs.endpoint_url, config=config, **credentials
    )
    return made


@functools.cache
def bare_session() -> Any:
    """Return a botocore session that reads no profile and no configuration file.

    One session for all clients, because it caches the service model, which is slow to load.
    """
    from botocore.session import Session  # noqa: PLC0415

    return Session(_NO_PROFILE)

"""Clients of Cognito's API that take nothing from the shell they are started in but its proxies and certificates."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from client.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

# botocore's names of what it would read from the environment and the user's files: a stale AWS_PROFILE, or a broken
# file, ends every call before it is made. Each: (key in a profile, environment variable, default, conversion).
# https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
_NO_PROFILE = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))


def cognito(outputs: Outputs) -> CognitoIdentityProviderClient:
    """A client for calls that carry a token or a password proof instead of an AWS signature."""
    from botocore import UNSIGNED  # noqa: PLC0415 - half a second that a stored token saves

    return _client(outputs, signature_version=UNSIGNED)


def emulated_administrator(outputs: Outputs) -> CognitoIdentityProviderClient:
    """A client for an administrator's calls to a local run's emulator, which takes any signature."""
    made_up = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}  # no real key gets there by accident
    return _client(outputs, **made_up)


def _client(outputs: Outputs, signature_version: Any = None, **credentials: str) -> CognitoIdentityProviderClient:
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        signature_version=signature_version,
        connect_timeout=5,
        read_timeout=15,
        retries={"total_max_attempts": 2},
        # A proxy has no business between two ends of one machine. None takes those of the environment.
        proxies={} if outputs.is_local else None,
    )
    made: CognitoIdentityProviderClient = bare_session().create_client(
        "cognito-idp", region_name=outputs.region, endpoint_url=outputs.endpoint_url, config=config, **credentials
    )
    return made


@functools.cache
def bare_session() -> Any:
    """A botocore session that reads no profile and no file of the user's.

    One for all clients, as boto3 has: it remembers the service's description, which takes a while to read.
    """
    from botocore.session import Session  # noqa: PLC0415

    return Session(_NO_PROFILE)

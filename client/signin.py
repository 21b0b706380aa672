"""Sign in to the user pool over SRP: the password proves itself and never leaves this process."""

from __future__ import annotations

from typing import NamedTuple

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pycognito.aws_srp import AWSSRP
from pycognito.exceptions import WarrantException

from client.errors import SignInError
from client.outputs import Outputs


class Tokens(NamedTuple):
    """What a sign-in gives. The API takes the ID token; the access token is for Cognito's own API."""

    id: str
    access: str
    refresh: str


def sign_in(outputs: Outputs, username: str, password: str) -> Tokens:
    """Sign a user in. Blocks for as long as Cognito takes.

    Raises:
        SignInError: when Cognito refuses, asks for more than a password, or cannot be reached.
    """
    cognito = boto3.client(
        "cognito-idp",
        region_name=outputs.region,
        endpoint_url=outputs.endpoint_url,
        config=Config(signature_version=UNSIGNED, connect_timeout=5, read_timeout=15),
    )
    srp = AWSSRP(
        username=username,
        password=password,
        pool_id=outputs.user_pool_id,
        client_id=outputs.user_pool_client_id,
        client=cognito,
    )
    try:
        answer = srp.authenticate_user()
    except WarrantException as error:
        raise SignInError(f"Cognito asks for more than a password: {error}.") from None
    except ClientError as error:
        raise SignInError(f"Cognito refuses the sign-in of {username}: {error.response['Error']['Message']}") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None
    result = answer["AuthenticationResult"]
    return Tokens(id=result["IdToken"], access=result["AccessToken"], refresh=result["RefreshToken"])

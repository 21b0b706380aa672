"""Sign in to the user pool over SRP: the password proves itself and never leaves this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from client.errors import SignInError
from client.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


class Tokens(NamedTuple):
    """What a sign-in gives. The API takes the ID token; the access token is for Cognito's own API."""

    id: str
    access: str
    refresh: str


class Challenge(NamedTuple):
    """Something that Cognito asks for after the password.

    Attributes:
        name: Cognito's name for it, such as ``NEW_PASSWORD_REQUIRED`` or ``SOFTWARE_TOKEN_MFA``.
        question: what to ask the user.
        secret: whether the answer must not be shown while it is typed.
    """

    name: str
    question: str
    secret: bool


Answer = Callable[[Challenge], str]
"""Gives the user's answer to a challenge."""

# Challenge: (the response's key, the question, secret).
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES: Mapping[str, tuple[str, str, bool]] = {
    "NEW_PASSWORD_REQUIRED": ("NEW_PASSWORD", "A new password is needed. New password", True),
    "SOFTWARE_TOKEN_MFA": ("SOFTWARE_TOKEN_MFA_CODE", "Code from your authenticator app", False),
    "SMS_MFA": ("SMS_MFA_CODE", "Code from the text message", False),
    "EMAIL_OTP": ("EMAIL_OTP_CODE", "Code from the e-mail", False),
}


def refuse_to_answer(challenge: Challenge) -> str:
    """The answer of a program without a user beside it.

    Raises:
        SignInError: always.
    """
    raise SignInError(f"Cognito asks for more than a password ({challenge.name}): run `python -m client login` first.")


def sign_in(outputs: Outputs, username: str, password: str, answer: Answer = refuse_to_answer) -> Tokens:
    """Sign a user in. Blocks for as long as Cognito, and the user, take.

    Raises:
        SignInError: when Cognito refuses, asks for what nobody can answer, or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `cognito`

    try:
        given = _authenticate(cognito(outputs), outputs, username, password, answer)
    except ClientError as error:
        raise SignInError(f"Cognito refuses the sign-in of {username}: {_said(error)}") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None
    except ValueError as error:  # the SRP exchange itself: a corrupt or hostile answer
        raise SignInError(f"Cognito's answer makes no sense ({error}): check userPoolId and region.") from None
    return Tokens(id=given["IdToken"], access=given["AccessToken"], refresh=given["RefreshToken"])


def refresh(outputs: Outputs, tokens: Tokens) -> Tokens:
    """New tokens for old. With refresh-token rotation, which the stack switches on, the refresh token changes too.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `cognito`

    try:
        # Not InitiateAuth: Cognito refuses REFRESH_TOKEN_AUTH to a client with rotation.
        given = cognito(outputs).get_tokens_from_refresh_token(
            RefreshToken=tokens.refresh, ClientId=outputs.user_pool_client_id
        )["AuthenticationResult"]
    except ClientError as error:
        raise SignInError(f"The sign-in has ended ({_said(error)}): run `python -m client login`.") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None
    return Tokens(given["IdToken"], given["AccessToken"], given.get("RefreshToken", tokens.refresh))


def sign_out(outputs: Outputs, tokens: Tokens) -> None:
    """Revoke the refresh token, so that a copy of it is worth nothing. The ID token lives on until it expires.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `cognito`

    try:
        cognito(outputs).revoke_token(Token=tokens.refresh, ClientId=outputs.user_pool_client_id)
    except ClientError as error:
        raise SignInError(f"The refresh token cannot be revoked: {_said(error)}") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None


def cognito(outputs: Outputs) -> CognitoIdentityProviderClient:
    """A Cognito client for calls that carry a token or a password proof instead of an AWS signature."""
    import boto3  # noqa: PLC0415 - half a second that a stored token saves
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(
        "cognito-idp",
        region_name=outputs.region,
        endpoint_url=outputs.endpoint_url,
        config=Config(signature_version=UNSIGNED, connect_timeout=5, read_timeout=15),
    )


def _authenticate(
    client: CognitoIdentityProviderClient, outputs: Outputs, username: str, password: str, answer: Answer
) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycognito is older than the Python it runs on
        from pycognito.aws_srp import AWSSRP  # noqa: PLC0415

        srp = AWSSRP(
            username=username,
            password=password,
            pool_id=outputs.user_pool_id,
            client_id=outputs.user_pool_client_id,
            client=client,
        )
        asked: Any = client.initiate_auth(
            AuthFlow="USER_SRP_AUTH", AuthParameters=srp.get_auth_params(), ClientId=outputs.user_pool_client_id
        )
        while "AuthenticationResult" not in asked:
            name = asked["ChallengeName"]
            parameters = asked.get("ChallengeParameters", {})
            if name == "PASSWORD_VERIFIER":
                responses = srp.process_challenge(parameters, {"USERNAME": username})
                username = parameters.get("USERNAME", username)
            else:
                responses = {"USERNAME": username, **_answer(name, answer)}
            asked = client.respond_to_auth_challenge(
                ClientId=outputs.user_pool_client_id,
                ChallengeName=name,
                ChallengeResponses=responses,
                **({"Session": asked["Session"]} if asked.get("Session") else {}),
            )
    result: Mapping[str, Any] = asked["AuthenticationResult"]
    return result


def _answer(name: str, answer: Answer) -> Mapping[str, str]:
    if name == "SELECT_MFA_TYPE":
        return {"ANSWER": "SOFTWARE_TOKEN_MFA"}
    if name not in _CHALLENGES:
        raise SignInError(f"Cognito asks for {name}, which this command line cannot do: use `login --browser`.")
    key, question, secret = _CHALLENGES[name]
    return {key: answer(Challenge(name, question, secret))}


def _said(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Message") or error)

"""Sign in to the user pool over SRP: the password proves itself and never leaves this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from client.cognito import cognito
from client.errors import SignInError, UserPoolError, reason
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
        show: what the user needs for the answer; empty when nothing.
    """

    name: str
    question: str
    secret: bool
    show: str = ""


ChallengeHandler = Callable[[Challenge], str]
"""Gives the user's answer to a challenge."""

# Challenge: (the response's key, the question, secret).
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES: Mapping[str, tuple[str, str, bool]] = {
    "NEW_PASSWORD_REQUIRED": ("NEW_PASSWORD", "A new password is needed. New password", True),
    "SOFTWARE_TOKEN_MFA": ("SOFTWARE_TOKEN_MFA_CODE", "Code from your authenticator app", False),
    "SMS_MFA": ("SMS_MFA_CODE", "Code from the text message", False),
    "EMAIL_OTP": ("EMAIL_OTP_CODE", "Code from the e-mail", False),
}


# What boto3 and the SRP exchange raise for an answer that is not Cognito's: another server's, a corrupt or hostile one.
_SENSELESS = (ValueError, KeyError, TypeError, AttributeError)


def refuse_to_answer(challenge: Challenge) -> str:
    """The answer of a program without a user beside it.

    Raises:
        SignInError: always.
    """
    raise SignInError(f"Cognito asks for more than a password ({challenge.name}): run `python -m client login` first.")


def sign_in(outputs: Outputs, username: str, password: str, answer: ChallengeHandler = refuse_to_answer) -> Tokens:
    """Sign a user in. Blocks for as long as Cognito, and the user, take.

    Raises:
        SignInError: when Cognito refuses, asks for what nobody can answer, or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `client.cognito`

    try:
        given = _authenticate(cognito(outputs), outputs, username, password, answer)
        return Tokens(id=given["IdToken"], access=given["AccessToken"], refresh=given["RefreshToken"])
    except ClientError as error:
        # Cognito's code for a user pool or an app client that does not exist.
        kind = UserPoolError if error.response["Error"].get("Code") == "ResourceNotFoundException" else SignInError
        raise kind(f"Cognito refuses the sign-in of {username}: {_said(error)}") from None
    except BotoCoreError as error:
        raise UserPoolError(f"Cognito cannot be reached: {error}") from None
    except _SENSELESS as error:
        raise _no_sense(error, outputs) from None


def refresh(outputs: Outputs, tokens: Tokens) -> Tokens:
    """New tokens for old. With refresh-token rotation, which the stack switches on, the refresh token changes too.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `client.cognito`

    try:
        # Not InitiateAuth: Cognito refuses REFRESH_TOKEN_AUTH to a client with rotation.
        given = cognito(outputs).get_tokens_from_refresh_token(
            RefreshToken=tokens.refresh, ClientId=outputs.user_pool_client_id
        )["AuthenticationResult"]
        return Tokens(given["IdToken"], given["AccessToken"], given.get("RefreshToken", tokens.refresh))
    except ClientError as error:
        raise SignInError(
            f"The sign-in has ended ({_said(error)}): run `python -m client login{outputs.option}`."
        ) from None
    except BotoCoreError as error:
        raise UserPoolError(f"Cognito cannot be reached: {error}") from None
    except _SENSELESS as error:
        raise _no_sense(error, outputs) from None


def sign_out(outputs: Outputs, tokens: Tokens) -> None:
    """Revoke the refresh token, so that a copy of it is worth nothing. The ID token lives on until it expires.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second; see `client.cognito`

    try:
        cognito(outputs).revoke_token(Token=tokens.refresh, ClientId=outputs.user_pool_client_id)
    except ClientError as error:
        raise SignInError(f"The refresh token cannot be revoked: {_said(error)}") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None
    except _SENSELESS as error:
        raise _no_sense(error, outputs) from None


def _authenticate(
    client: CognitoIdentityProviderClient, outputs: Outputs, username: str, password: str, answer: ChallengeHandler
) -> Mapping[str, Any]:
    address = username  # which the password's challenge replaces by the user's id
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
            session = asked.get("Session", "")
            if name == "PASSWORD_VERIFIER":
                responses = srp.process_challenge(parameters, {"USERNAME": username})
                username = parameters.get("USERNAME", username)
            elif name == "MFA_SETUP":
                session = _set_up_app(client, session, address, parameters, answer)
                responses = {"USERNAME": username}
            else:
                responses = {"USERNAME": username, **_answer(name, answer)}
            asked = client.respond_to_auth_challenge(
                ClientId=outputs.user_pool_client_id,
                ChallengeName=name,
                ChallengeResponses=responses,
                **({"Session": session} if session else {}),
            )
    result: Mapping[str, Any] = asked["AuthenticationResult"]
    return result


def _answer(name: str, answer: ChallengeHandler) -> Mapping[str, str]:
    if name == "SELECT_MFA_TYPE":
        return {"ANSWER": "SOFTWARE_TOKEN_MFA"}
    if name not in _CHALLENGES:
        raise SignInError(f"Cognito asks for {name}, which this command line cannot do: use `login --browser`.")
    key, question, secret = _CHALLENGES[name]
    return {key: answer(Challenge(name, question, secret))}


def _set_up_app(
    client: CognitoIdentityProviderClient,
    session: str,
    address: str,
    parameters: Mapping[str, str],
    answer: ChallengeHandler,
) -> str:
    """Let the user add an authenticator app, which a pool that requires a second factor asks of everyone new.

    Returns:
        The session to answer ``MFA_SETUP`` with
        (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html).
    """
    offered = parameters.get("MFAS_CAN_SETUP", "SOFTWARE_TOKEN_MFA")
    if "SOFTWARE_TOKEN_MFA" not in offered:
        raise SignInError(f"The user pool wants a second factor that needs a page ({offered}): use `login --browser`.")
    made = client.associate_software_token(Session=session)
    # https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    label = quote(f"agent-stream:{address}", safe=":@")
    key = f"otpauth://totp/{label}?{urlencode({'secret': made['SecretCode'], 'issuer': 'agent-stream'})}"
    show = f"The user pool requires a second factor. Add this key to your authenticator app:\n  {key}"
    code = answer(Challenge("MFA_SETUP", "Code that the app shows for it", secret=False, show=show))
    verified = client.verify_software_token(Session=made["Session"], UserCode=code.strip())
    if verified["Status"] != "SUCCESS":
        raise SignInError("Cognito does not accept the app's code: sign in again, and check the clock of the phone.")
    return verified["Session"]


def _no_sense(error: Exception, outputs: Outputs) -> SignInError:
    check = "that the local run is up" if outputs.is_local else "userPoolId and region"
    return SignInError(f"Cognito's answer makes no sense ({type(error).__name__}: {reason(error)}): check {check}.")


def _said(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Message") or error)

"""Signs in to the user pool over SRP: the password never leaves this process."""

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
    """The tokens of a sign-in. The API requires the ID token; the access token is for Cognito's own API."""

    id: str
    access: str
    refresh: str


class Challenge(NamedTuple):
    """A challenge of Cognito after the password.

    Attributes:
        name: Cognito's name for it, such as ``NEW_PASSWORD_REQUIRED`` or ``SOFTWARE_TOKEN_MFA``.
        question: the prompt for the user.
        secret: whether the input must be hidden.
        show: instructions to print before the prompt; may be empty.
    """

    name: str
    question: str
    secret: bool
    show: str = ""


ChallengeHandler = Callable[[Challenge], str]
"""Returns the user's answer to a challenge."""

# By challenge: (the key in the response, the prompt, whether the input is hidden).
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES: Mapping[str, tuple[str, str, bool]] = {
    "NEW_PASSWORD_REQUIRED": ("NEW_PASSWORD", "A new password is needed. New password", True),
    "SOFTWARE_TOKEN_MFA": ("SOFTWARE_TOKEN_MFA_CODE", "Code from your authenticator app", False),
    "SMS_MFA": ("SMS_MFA_CODE", "Code from the text message", False),
    "EMAIL_OTP": ("EMAIL_OTP_CODE", "Code from the e-mail", False),
}


# Raised by boto3 and pycognito for a malformed response, for example from a server that is not Cognito.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


def no_user(challenge: Challenge) -> str:
    """The challenge handler for a program without a user.

    Raises:
        SignInError: always.
    """
    raise SignInError(f"Cognito requires another step ({challenge.name}): run `python -m client login` first.")


def sign_in(outputs: Outputs, username: str, password: str, answer: ChallengeHandler = no_user) -> Tokens:
    """Sign a user in. Blocks until Cognito and the user have answered.

    Raises:
        SignInError: when Cognito refuses, cannot be reached, or sends a challenge that `answer` does not support.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - importing it takes half a second

    try:
        given = _authenticate(cognito(outputs), outputs, username, password, answer)
        return Tokens(id=given["IdToken"], access=given["AccessToken"], refresh=given["RefreshToken"])
    except ClientError as error:
        # ResourceNotFoundException: the user pool or the app client does not exist.
        kind = UserPoolError if error.response["Error"].get("Code") == "ResourceNotFoundException" else SignInError
        raise kind(f"Cognito refuses the sign-in of {username}: {_said(error)}") from None
    except BotoCoreError as error:
        raise UserPoolError(f"Cognito cannot be reached: {error}") from None
    except _MALFORMED as error:
        raise _malformed_response(error, outputs) from None


def refresh(outputs: Outputs, tokens: Tokens) -> Tokens:
    """Return new tokens. The stack enables refresh-token rotation, so the refresh token changes too.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - importing it takes half a second

    try:
        # Not InitiateAuth: for a client with rotation, Cognito refuses REFRESH_TOKEN_AUTH.
        given = cognito(outputs).get_tokens_from_refresh_token(
            RefreshToken=tokens.refresh, ClientId=outputs.user_pool_client_id
        )["AuthenticationResult"]
        return Tokens(given["IdToken"], given["AccessToken"], given.get("RefreshToken", tokens.refresh))
    except ClientError as error:
        raise SignInError(
            f"The sign-in has expired ({_said(error)}): run `python -m client login{outputs.option}`."
        ) from None
    except BotoCoreError as error:
        raise UserPoolError(f"Cognito cannot be reached: {error}") from None
    except _MALFORMED as error:
        raise _malformed_response(error, outputs) from None


def sign_out(outputs: Outputs, tokens: Tokens) -> None:
    """Revoke the refresh token, so that copies of it are useless. The ID token stays valid until it expires.

    Raises:
        SignInError: when Cognito refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - importing it takes half a second

    try:
        cognito(outputs).revoke_token(Token=tokens.refresh, ClientId=outputs.user_pool_client_id)
    except ClientError as error:
        raise SignInError(f"The refresh token cannot be revoked: {_said(error)}") from None
    except BotoCoreError as error:
        raise SignInError(f"Cognito cannot be reached: {error}") from None
    except _MALFORMED as error:
        raise _malformed_response(error, outputs) from None


def _authenticate(
    client: CognitoIdentityProviderClient, outputs: Outputs, username: str, password: str, answer: ChallengeHandler
) -> Mapping[str, Any]:
    address = username  # PASSWORD_VERIFIER replaces `username` with the user's id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycognito triggers deprecation warnings of newer Pythons
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
        raise SignInError(f"Cognito requires {name}, which the command line does not support: use `login --browser`.")
    key, question, secret = _CHALLENGES[name]
    return {key: answer(Challenge(name, question, secret))}


def _set_up_app(
    client: CognitoIdentityProviderClient,
    session: str,
    address: str,
    parameters: Mapping[str, str],
    answer: ChallengeHandler,
) -> str:
    """Let the user add an authenticator app, which a pool with required MFA demands of every new user.

    Returns:
        The session for the response to ``MFA_SETUP``
        (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html).
    """
    offered = parameters.get("MFAS_CAN_SETUP", "SOFTWARE_TOKEN_MFA")
    if "SOFTWARE_TOKEN_MFA" not in offered:
        raise SignInError(
            f"The user pool requires a second factor that only the sign-in page supports ({offered}): use "
            "`login --browser`."
        )
    made = client.associate_software_token(Session=session)
    # https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    label = quote(f"agent-stream:{address}", safe=":@")
    key = f"otpauth://totp/{label}?{urlencode({'secret': made['SecretCode'], 'issuer': 'agent-stream'})}"
    show = f"The user pool requires a second factor. Add this key to your authenticator app:\n  {key}"
    code = answer(Challenge("MFA_SETUP", "Code from the app", secret=False, show=show))
    verified = client.verify_software_token(Session=made["Session"], UserCode=code.strip())
    if verified["Status"] != "SUCCESS":
        raise SignInError("Cognito does not accept the app's code: sign in again, and check the phone's clock.")
    return verified["Session"]


def _malformed_response(error: Exception, outputs: Outputs) -> SignInError:
    check = "that the local run is up" if outputs.is_local else "userPoolId and region"
    return SignInError(f"Cognito's response is malformed ({type(error).__name__}: {reason(error)}): check {check}.")


def _said(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Message") or error)

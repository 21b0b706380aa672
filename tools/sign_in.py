"""Signs the delivery workflow's user in without a terminal, so that the doctor can ask the agent.

``DOCTOR_USERNAME`` and ``DOCTOR_PASSWORD`` name the user; ``DOCTOR_TOTP_SECRET`` is the secret of its authenticator app
(base32), if the user pool requires a second factor. It is an ordinary user, who can only ask the agent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Mapping

from client.errors import ClientError
from client.outputs import stack_outputs
from client.signin import Challenge, sign_in
from client.store import TokenStore

PERIOD_SECONDS = 30
DIGITS = 6


class CannotSignIn(Exception):  # noqa: N818 - reads as a sentence
    """The user cannot be signed in; the message says why."""


def code(secret: str, at: float) -> str:
    """The one-time code of an authenticator app: RFC 6238 with SHA-1, thirty seconds and six digits, as Cognito's.

    Args:
        secret: the shared secret, base32; spaces and case do not matter.
        at: seconds since 1970.

    Raises:
        CannotSignIn: when the secret is not base32.
    """
    plain = secret.replace(" ", "").upper()
    try:
        key = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except binascii.Error:
        raise CannotSignIn(
            "DOCTOR_TOTP_SECRET is not base32: store the secret text of the authenticator app."
        ) from None
    digest = hmac.digest(key, struct.pack(">Q", int(at) // PERIOD_SECONDS), hashlib.sha1)
    start = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def answer(challenge: Challenge, environment: Mapping[str, str]) -> str:
    """The user's response to a challenge of the user pool.

    Raises:
        CannotSignIn: when the environment has no answer to it.
    """
    secret = environment.get("DOCTOR_TOTP_SECRET", "")
    if challenge.name == "SOFTWARE_TOKEN_MFA" and secret:
        return code(secret, time.time())
    raise CannotSignIn(
        f"The user pool requires more than a password of the doctor's user ({challenge.name}): sign it in once on a "
        "terminal, and store its authenticator's secret as DOCTOR_TOTP_SECRET."
    )


def sign_in_as_given(stack: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Sign in and store the tokens for the client; False when the environment names no user.

    Raises:
        CannotSignIn: when the user cannot be signed in.
    """
    username, password = environment.get("DOCTOR_USERNAME", ""), environment.get("DOCTOR_PASSWORD", "")
    if not username or not password:
        return False
    try:
        outputs = stack_outputs(stack)
        TokenStore(outputs).save(sign_in(outputs, username, password, lambda challenge: answer(challenge, environment)))
    except ClientError as error:
        raise CannotSignIn(f"The doctor's user cannot sign in: {error}") from None
    return True

"""A stack's users, for an administrator: needs AWS credentials, except in a local run."""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from client.cognito import emulated_administrator
from client.errors import AdministrationError
from client.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


class User(NamedTuple):
    """One user of the pool."""

    username: str
    email: str
    status: str
    enabled: bool


class Users:
    """The users of a stack's pool.

    Args:
        outputs: the stack's.
        profile: the AWS profile to sign with; None takes the usual chain of credentials.
    """

    def __init__(self, outputs: Outputs, profile: str | None = None) -> None:
        self._outputs = outputs
        with _explained():
            self._cognito = administrator(outputs, profile)

    def list(self) -> Iterator[User]:
        """Every user, page by page.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with _explained():
            for page in self._cognito.get_paginator("list_users").paginate(UserPoolId=self._outputs.user_pool_id):
                for user in page["Users"]:
                    attributes = {item["Name"]: item.get("Value", "") for item in user.get("Attributes", [])}
                    yield User(
                        user["Username"], attributes.get("email", ""), user.get("UserStatus", ""), user["Enabled"]
                    )

    def add(self, email: str, *, invite: bool) -> str | None:
        """Create a user, who must choose a password at the first sign-in.

        Args:
            email: also the user's name.
            invite: let Cognito send the temporary password by e-mail.

        Returns:
            The temporary password, when no e-mail was sent.

        Raises:
            AdministrationError: when AWS refuses.
        """
        password = None if invite else temporary_password()
        with _explained():
            self._cognito.admin_create_user(
                UserPoolId=self._outputs.user_pool_id,
                Username=email,
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
                **({"DesiredDeliveryMediums": ["EMAIL"]} if password is None else {}),  # type: ignore[arg-type] # mypy joins the two shapes
                **({} if password is None else {"TemporaryPassword": password, "MessageAction": "SUPPRESS"}),  # type: ignore[arg-type]
            )
        return password

    def disable(self, username: str) -> None:
        """Let a user in no more, and end the sign-ins there are. An ID token lives on until it expires.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with _explained():
            self._cognito.admin_disable_user(UserPoolId=self._outputs.user_pool_id, Username=username)
            self._cognito.admin_user_global_sign_out(UserPoolId=self._outputs.user_pool_id, Username=username)


def administrator(outputs: Outputs, profile: str | None = None) -> CognitoIdentityProviderClient:
    """A Cognito client that signs its calls; the emulator of a local run takes any signature."""
    if outputs.is_local:
        return emulated_administrator(outputs)
    import boto3  # noqa: PLC0415 - half a second that other commands save

    return boto3.Session(profile_name=profile, region_name=outputs.region).client("cognito-idp")


def temporary_password() -> str:
    """Twenty characters, some of each of the four kinds that a password policy may ask for."""
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "!@#$%^&*")
    letters = [secrets.choice(kind) for kind in kinds]
    letters += [secrets.choice(string.ascii_letters + string.digits) for _ in range(16)]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise AdministrationError(f"AWS refuses ({code}): {error.response.get('Error', {}).get('Message')}") from None
    except NoCredentialsError:
        raise AdministrationError(
            "There are no AWS credentials: sign in with the AWS CLI, or pass --profile."
        ) from None
    except BotoCoreError as error:
        raise AdministrationError(f"AWS cannot be asked: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # what boto3 makes of another server's answer
        raise AdministrationError(
            f"The answer is not Cognito's ({type(error).__name__}): check region and userPoolId among the outputs, and "
            "that a local run is up."
        ) from None

"""A stack's users, for an administrator: needs AWS credentials, except in a local run."""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import Iterator, Sequence
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
        with explained():
            self._cognito = administrator(outputs, profile)

    def list(self) -> Iterator[User]:
        """Every user, page by page.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with explained():
            for page in self._cognito.get_paginator("list_users").paginate(UserPoolId=self._outputs.user_pool_id):
                for user in page["Users"]:
                    attributes = {item["Name"]: item.get("Value", "") for item in user.get("Attributes", [])}
                    yield User(
                        user["Username"], attributes.get("email", ""), user.get("UserStatus", ""), user["Enabled"]
                    )

    def add(self, email: str, *, invite: bool) -> str | None:
        """Create a user, who must choose a password at the first sign-in; one who has not done so is invited again.

        Args:
            email: also the user's name.
            invite: let Cognito send the temporary password by e-mail.

        Returns:
            The temporary password, when no e-mail was sent.

        Raises:
            AdministrationError: when AWS refuses.
        """
        password = None if invite else temporary_password()
        with explained():
            try:
                self._create(email, password)
            except self._cognito.exceptions.UsernameExistsException:
                self._invite_again(email, password)
        return password

    def _create(self, email: str, password: str | None) -> None:
        self._cognito.admin_create_user(
            UserPoolId=self._outputs.user_pool_id,
            Username=email,
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            **({"DesiredDeliveryMediums": ["EMAIL"]} if password is None else {}),  # type: ignore[arg-type] # mypy joins the two shapes
            **({} if password is None else {"TemporaryPassword": password, "MessageAction": "SUPPRESS"}),  # type: ignore[arg-type]
        )

    def _invite_again(self, email: str, password: str | None) -> None:
        """A new temporary password for somebody who has not chosen one; Cognito would refuse to invite anybody else."""
        pool = self._outputs.user_pool_id
        status = self._cognito.admin_get_user(UserPoolId=pool, Username=email).get("UserStatus", "")
        if status != "FORCE_CHANGE_PASSWORD":
            raise AdministrationError(
                f"{email} is a user already ({status}): `users reset` has them choose a new password."
            )
        if password is None:
            self._cognito.admin_create_user(
                UserPoolId=pool, Username=email, MessageAction="RESEND", DesiredDeliveryMediums=["EMAIL"]
            )
        else:
            self._cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=False)

    def enable(self, username: str) -> None:
        """Let a user in again.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with explained():
            self._cognito.admin_enable_user(UserPoolId=self._outputs.user_pool_id, Username=username)

    def reset(self, username: str) -> None:
        """Have a user choose a new password, with a code that Cognito sends by e-mail.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with explained():
            self._cognito.admin_reset_user_password(UserPoolId=self._outputs.user_pool_id, Username=username)

    def delete(self, username: str) -> None:
        """Remove an account. What the user asked stays where it is: docs/security.md says where.

        Raises:
            AdministrationError: when AWS refuses.
        """
        pool = self._outputs.user_pool_id
        with explained():
            self._cognito.admin_user_global_sign_out(UserPoolId=pool, Username=username)
            self._cognito.admin_delete_user(UserPoolId=pool, Username=username)

    def find(self, username: str) -> tuple[str, bool]:
        """A user's ``sub``, and whether the user is let in.

        Raises:
            AdministrationError: when AWS refuses, as for somebody whom the pool does not have.
        """
        with explained():
            found = self._cognito.admin_get_user(UserPoolId=self._outputs.user_pool_id, Username=username)
            (sub,) = [one["Value"] for one in found["UserAttributes"] if one["Name"] == "sub" and "Value" in one]
            return sub, found["Enabled"]

    def change_groups(self, username: str, add: Sequence[str], remove: Sequence[str]) -> Sequence[str]:
        """Put a user into groups and take him out of others; returns the groups that he is in then.

        Raises:
            AdministrationError: when AWS refuses, as for a group that the stack does not declare.
        """
        pool = self._outputs.user_pool_id
        with explained():
            for group in add:
                self._cognito.admin_add_user_to_group(UserPoolId=pool, Username=username, GroupName=group)
            for group in remove:
                self._cognito.admin_remove_user_from_group(UserPoolId=pool, Username=username, GroupName=group)
            pages = self._cognito.get_paginator("admin_list_groups_for_user")
            found = pages.paginate(UserPoolId=pool, Username=username)
            return sorted(group["GroupName"] for page in found for group in page["Groups"])

    def disable(self, username: str) -> None:
        """Let a user in no more, and end the sign-ins there are. An ID token lives on until it expires.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with explained():
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
def explained() -> Iterator[None]:
    """What AWS, or what stands in its place, refuses becomes a sentence.

    Raises:
        AdministrationError: in the place of what boto3 raises.
    """
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

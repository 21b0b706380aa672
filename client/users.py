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
        profile: the AWS profile to sign with; None uses the default credential chain.
    """

    def __init__(self, outputs: Outputs, profile: str | None = None) -> None:
        self._outputs = outputs
        with as_administration_errors():
            self._cognito = administrator(outputs, profile)

    def list(self) -> Iterator[User]:
        """Yield every user; fetches page by page.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with as_administration_errors():
            for page in self._cognito.get_paginator("list_users").paginate(UserPoolId=self._outputs.user_pool_id):
                for user in page["Users"]:
                    attributes = {item["Name"]: item.get("Value", "") for item in user.get("Attributes", [])}
                    yield User(
                        user["Username"], attributes.get("email", ""), user.get("UserStatus", ""), user["Enabled"]
                    )

    def add(self, email: str, *, invite: bool) -> str | None:
        """Create a user, who must choose a password at the first sign-in; an existing one who has not is invited again.

        Args:
            email: also the user's name.
            invite: have Cognito send the temporary password by e-mail.

        Returns:
            The temporary password; None when Cognito sends it by e-mail.

        Raises:
            AdministrationError: when AWS refuses.
        """
        password = None if invite else temporary_password()
        with as_administration_errors():
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
        """Set a new temporary password for a user who has not chosen one; Cognito refuses to invite any other again."""
        pool = self._outputs.user_pool_id
        status = self._cognito.admin_get_user(UserPoolId=pool, Username=email).get("UserStatus", "")
        if status != "FORCE_CHANGE_PASSWORD":
            raise AdministrationError(
                f"{email} is already a user ({status}): run `users reset` to have them choose a new password."
            )
        if password is None:
            self._cognito.admin_create_user(
                UserPoolId=pool, Username=email, MessageAction="RESEND", DesiredDeliveryMediums=["EMAIL"]
            )
        else:
            self._cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=False)

    def enable(self, username: str) -> None:
        """Allow a disabled user to sign in again.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with as_administration_errors():
            self._cognito.admin_enable_user(UserPoolId=self._outputs.user_pool_id, Username=username)

    def reset(self, username: str) -> None:
        """Have a user choose a new password, with a code that Cognito sends by e-mail.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with as_administration_errors():
            self._cognito.admin_reset_user_password(UserPoolId=self._outputs.user_pool_id, Username=username)

    def delete(self, username: str) -> None:
        """Delete an account. The user's conversations and log lines stay: docs/security.md lists where.

        Raises:
            AdministrationError: when AWS refuses.
        """
        pool = self._outputs.user_pool_id
        with as_administration_errors():
            self._cognito.admin_user_global_sign_out(UserPoolId=pool, Username=username)
            self._cognito.admin_delete_user(UserPoolId=pool, Username=username)

    def find(self, username: str) -> tuple[str, bool]:
        """Return a user's ``sub``, and whether the user may sign in.

        Raises:
            AdministrationError: when AWS refuses, or the pool has no such user.
        """
        with as_administration_errors():
            found = self._cognito.admin_get_user(UserPoolId=self._outputs.user_pool_id, Username=username)
            (sub,) = [one["Value"] for one in found["UserAttributes"] if one["Name"] == "sub" and "Value" in one]
            return sub, found["Enabled"]

    def change_groups(self, username: str, add: Sequence[str], remove: Sequence[str]) -> Sequence[str]:
        """Add a user to groups and remove them from others; return the resulting groups.

        Raises:
            AdministrationError: when AWS refuses, or the stack declares no such group.
        """
        pool = self._outputs.user_pool_id
        with as_administration_errors():
            for group in add:
                self._cognito.admin_add_user_to_group(UserPoolId=pool, Username=username, GroupName=group)
            for group in remove:
                self._cognito.admin_remove_user_from_group(UserPoolId=pool, Username=username, GroupName=group)
            pages = self._cognito.get_paginator("admin_list_groups_for_user")
            found = pages.paginate(UserPoolId=pool, Username=username)
            return sorted(group["GroupName"] for page in found for group in page["Groups"])

    def disable(self, username: str) -> None:
        """Prevent a user from signing in, and revoke the refresh tokens. An ID token stays valid until it expires.

        Raises:
            AdministrationError: when AWS refuses.
        """
        with as_administration_errors():
            self._cognito.admin_disable_user(UserPoolId=self._outputs.user_pool_id, Username=username)
            self._cognito.admin_user_global_sign_out(UserPoolId=self._outputs.user_pool_id, Username=username)


def administrator(outputs: Outputs, profile: str | None = None) -> CognitoIdentityProviderClient:
    """A Cognito client that signs its calls; the emulator of a local run accepts any signature."""
    if outputs.is_local:
        return emulated_administrator(outputs)
    import boto3  # noqa: PLC0415 - importing it takes half a second

    return boto3.Session(profile_name=profile, region_name=outputs.region).client("cognito-idp")


def temporary_password() -> str:
    """Twenty characters, with some of each of the four kinds that a password policy may require."""
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "!@#$%^&*")
    letters = [secrets.choice(kind) for kind in kinds]
    letters += [secrets.choice(string.ascii_letters + string.digits) for _ in range(16)]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


@contextlib.contextmanager
def as_administration_errors() -> Iterator[None]:
    """Turn boto3's exceptions in the block into an AdministrationError of one sentence."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise AdministrationError(f"AWS refuses ({code}): {error.response.get('Error', {}).get('Message')}") from None
    except NoCredentialsError:
        raise AdministrationError(
            "No AWS credentials were found: sign in with the AWS CLI, or pass --profile."
        ) from None
    except BotoCoreError as error:
        raise AdministrationError(f"The call to AWS failed: {error}") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # boto3 could not parse the answer: it is not Cognito's
        raise AdministrationError(
            f"The answer is not Cognito's ({type(error).__name__}): check region and userPoolId among the outputs, and "
            "that a local run is up."
        ) from None

"""A temporary user and app client for one check, only in a local run's user pool."""

from __future__ import annotations

import secrets
from typing import Any

from client.errors import ClientError
from client.outputs import Outputs
from client.signin import Tokens, sign_in
from client.users import administrator, temporary_password


class DisposableUsers:
    """Test users, created on demand and deleted by `remove`.

    Args:
        outputs: a local run's.

    Raises:
        ClientError: when these are not a local run's outputs.
    """

    def __init__(self, outputs: Outputs) -> None:
        if not outputs.is_local:
            raise ClientError("Test users are created in a local run only.")
        self._outputs = outputs
        self._cognito: Any = administrator(outputs)
        self._user = f"check-{secrets.token_hex(6)}@example.com"
        self._password = temporary_password()
        self._there = False
        self._clients: list[str] = []

    def another_user(self) -> Tokens:
        """Create a user, signed in with the stack's own app client."""
        self._create_user()
        return sign_in(self._outputs, self._user, self._password)

    def token_of_another_client(self) -> Tokens:
        """Create another app client, and sign the user in with it."""
        self._create_user()
        made = self._cognito.create_user_pool_client(
            UserPoolId=self._outputs.user_pool_id,
            ClientName="doctor",
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        self._clients.append(made)
        outputs = self._outputs.model_copy(update={"user_pool_client_id": made})
        return sign_in(outputs, self._user, self._password)

    def remove(self) -> None:
        """Delete what was created."""
        pool = self._outputs.user_pool_id
        for client in self._clients:
            self._cognito.delete_user_pool_client(UserPoolId=pool, ClientId=client)
        self._clients.clear()
        if self._there:
            self._cognito.admin_delete_user(UserPoolId=pool, Username=self._user)
            self._there = False

    def _create_user(self) -> None:
        if self._there:
            return
        pool = self._outputs.user_pool_id
        self._cognito.admin_create_user(UserPoolId=pool, Username=self._user, MessageAction="SUPPRESS")
        self._there = True
        self._cognito.admin_set_user_password(
            UserPoolId=pool, Username=self._user, Password=self._password, Permanent=True
        )

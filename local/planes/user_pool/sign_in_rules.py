"""Which ways in a pool and a client declare, for the emulator takes every one: sign-up and the authentication flows.

What works here and is refused by Cognito would be found on the day of the first deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

FLOWS_BY_DEFAULT = ("ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH")
"""Of a client that declares none
(https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html)."""

OLD_NAMES = {"REFRESH_TOKEN": "REFRESH_TOKEN_AUTH", "ADMIN_NO_SRP_AUTH": "ADMIN_USER_PASSWORD_AUTH"}
"""Flows that Cognito knows by two names."""


class SignInRules:
    """What pools and clients declare, and what is refused by it."""

    def __init__(self) -> None:
        self._closed: dict[str, bool] = {}
        self._flows: dict[str, frozenset[str]] = {}
        self._pools: dict[str, str] = {}

    def declare_pool(self, pool: str, create_user: Mapping[str, Any] | None) -> None:
        """Note a pool's ``AdminCreateUserConfig``."""
        self._closed[pool] = bool((create_user or {}).get("AllowAdminCreateUserOnly"))

    def declare_client(self, client: str, pool: str, flows: Iterable[str] | None) -> None:
        """Note a client's ``ExplicitAuthFlows``, each ``ALLOW_`` and its name."""
        self._pools[client] = pool
        self._flows[client] = frozenset(flows or FLOWS_BY_DEFAULT)

    def refusal(self, name: str, call: Mapping[str, Any]) -> tuple[str, str] | None:
        """The exception and the sentence with which a call of Cognito's API is refused; None where it is not."""
        client = str(call.get("ClientId", ""))
        if name == "SignUp" and self._closed.get(self._pools.get(client, "")):
            return "NotAuthorizedException", "SignUp is not permitted for this user pool"
        if name in ("InitiateAuth", "AdminInitiateAuth") and client in self._flows:
            flow = str(call.get("AuthFlow", ""))
            if f"ALLOW_{OLD_NAMES.get(flow, flow)}" not in self._flows[client]:
                return "InvalidParameterException", f"{flow} flow not enabled for this client"
        return None

"""Refresh-token rotation, which the emulator does not have: each refresh returns a new token and ends the old one.

A rotated token is made here and mapped to the emulator's own token, which stays the same.
Source: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any


class ReusedError(Exception):
    """A refresh token was used after it was replaced and its grace period had passed."""


class Rotation:
    """The clients' rotation settings, and the emulator's token for each rotated one.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._declared: dict[str, Mapping[str, Any]] = {}
        self._originals: dict[str, str] = {}
        self._replaced: dict[str, float] = {}

    def declare(self, client_id: str, settings: Mapping[str, Any] | None) -> None:
        """Record a client's ``RefreshTokenRotation``."""
        self._declared[client_id] = settings or {"Feature": "DISABLED"}

    def declared(self, client_id: str) -> Mapping[str, Any]:
        """A client's ``RefreshTokenRotation``."""
        return self._declared.get(client_id, {"Feature": "DISABLED"})

    def rotates(self, client_id: str) -> bool:
        """Whether the client's refresh tokens rotate."""
        return self.declared(client_id).get("Feature") == "ENABLED"

    def original(self, token: str) -> str:
        """The emulator's token for a rotated token; any other token is returned as it is."""
        return self._originals.get(token, token)

    def use(self, client_id: str, token: str) -> str:
        """As `original`, for a refresh.

        Raises:
            ReusedError: when the token was replaced and its grace period has passed.
        """
        grace = float(self.declared(client_id).get("RetryGracePeriodSeconds") or 0)
        if token in self._replaced and self._clock() > self._replaced[token] + grace:
            raise ReusedError
        return self.original(token)

    def replace(self, token: str) -> str:
        """A new token that replaces one that was used."""
        new = f"rotated.{secrets.token_urlsafe(48)}"
        self._originals[new] = self.original(token)
        self._replaced.setdefault(token, self._clock())
        return new

"""Refresh-token rotation, which the emulator does not have: each refresh gives a new token, and the old one ends.

A rotated token is a name of the front's own for the emulator's token, which stays the same.
Source: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any


class ReusedError(Exception):
    """A refresh token was used after another took its place, and after the grace period."""


class Rotation:
    """Which clients rotate, and what each rotated token stands for.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._declared: dict[str, Mapping[str, Any]] = {}
        self._meant: dict[str, str] = {}
        self._replaced: dict[str, float] = {}

    def declare(self, client_id: str, settings: Mapping[str, Any] | None) -> None:
        """Note what a client's ``RefreshTokenRotation`` says."""
        self._declared[client_id] = settings or {"Feature": "DISABLED"}

    def declared(self, client_id: str) -> Mapping[str, Any]:
        """What a client's ``RefreshTokenRotation`` says."""
        return self._declared.get(client_id, {"Feature": "DISABLED"})

    def rotates(self, client_id: str) -> bool:
        """Whether the client's refresh tokens rotate."""
        return self.declared(client_id).get("Feature") == "ENABLED"

    def meant(self, token: str) -> str:
        """The emulator's token that a token stands for."""
        return self._meant.get(token, token)

    def used(self, client_id: str, token: str) -> str:
        """As `meant`, for a refresh.

        Raises:
            ReusedError: when another token has taken its place for longer than the grace period.
        """
        grace = float(self.declared(client_id).get("RetryGracePeriodSeconds") or 0)
        if token in self._replaced and self._clock() > self._replaced[token] + grace:
            raise ReusedError
        return self.meant(token)

    def renewed(self, token: str) -> str:
        """A new token in the place of one that was used."""
        new = f"rotated.{secrets.token_urlsafe(48)}"
        self._meant[new] = self.meant(token)
        self._replaced.setdefault(token, self._clock())
        return new

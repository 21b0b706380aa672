"""Retries with exponential backoff and jitter."""

from __future__ import annotations

import random
from typing import NamedTuple


class Policy(NamedTuple):
    """A retry policy.

    Attributes:
        attempts: the most attempts, counted from the last progress.
        first: the upper bound of the first pause in seconds; it doubles with every attempt.
        longest: the upper bound of every pause in seconds.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 8.0

    def pause(self, attempt: int) -> float:
        """Return the seconds before the next attempt, with jitter, so that clients do not retry simultaneously.

        Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        bound = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return random.uniform(0.1, 1) * bound  # noqa: S311 - not a secret


NEVER = Policy(attempts=1)

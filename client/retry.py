"""How often and how soon to try again."""

from __future__ import annotations

import random
from typing import NamedTuple


class Policy(NamedTuple):
    """How often and how soon to try again.

    Attributes:
        attempts: how often to try in all, from the last thing that was achieved on.
        first: the longest first pause in seconds; it doubles with every attempt.
        longest: no pause is longer than this, in seconds.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 8.0

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: anything up to the bound, so that clients do not march in step.

        Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        bound = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return random.uniform(0.1, 1) * bound  # noqa: S311 - not a secret


NEVER = Policy(attempts=1)

"""A web ACL's rate-based rule: counts the requests with the same key in the last minutes.

AWS counts about every ten seconds and acts with that delay; here every request is counted at once
(https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html).
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

from local.planes.gateway import transformations
from local.planes.gateway.inspected import Inspected, Statement

KEYS_AT_ONCE = 10_000
"""Keys that are counted at the same time, as on AWS; beyond it the least recently used one is dropped."""

Key = tuple[str, ...]
KeyOf = Callable[[Inspected], Key | None]


class RateStatement:
    """Matches while more than ``limit`` requests with one key came within ``window`` seconds.

    Args:
        limit: requests.
        window: seconds.
        key_of: returns the key of a request; None if a part of the key is missing, and then it is not counted.
        scope: only requests that match this statement are counted.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        limit: int,
        window: float,
        key_of: KeyOf,
        scope: Statement | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window = window
        self._key_of = key_of
        self._scope = scope
        self._clock = clock
        self._times: OrderedDict[Key, deque[float]] = OrderedDict()

    def matches(self, inspected: Inspected) -> bool:
        """Count the request, and return whether its key now exceeds the limit."""
        if self._scope is not None and not self._scope.matches(inspected):
            return False
        key = self._key_of(inspected)
        if key is None:
            return False
        now = self._clock()
        # One time more than the limit is enough to know that it is exceeded.
        times = self._times.setdefault(key, deque(maxlen=self._limit + 1))
        self._times.move_to_end(key)
        if len(self._times) > KEYS_AT_ONCE:
            self._times.popitem(last=False)
        times.append(now)
        while times[0] <= now - self._window:
            times.popleft()
        return len(times) > self._limit


def rate_keys(statement: Mapping[str, Any]) -> KeyOf | None:
    """The aggregation key of a rate-based statement; None when it cannot be evaluated here."""
    match statement["aggregateKeyType"]:
        case "IP":
            return lambda inspected: (inspected.address,)
        case "CUSTOM_KEYS":
            parts = [_custom_key(key) for key in statement.get("customKeys") or ()]
            readers = [part for part in parts if part is not None]
            return _joined(readers) if len(readers) == len(parts) else None
        case _:
            return None


def _joined(readers: list[Callable[[Inspected], str | None]]) -> KeyOf:
    def key_of(inspected: Inspected) -> Key | None:
        values = [reader(inspected) for reader in readers]
        return tuple(value for value in values if value is not None) if None not in values else None

    return key_of


def _custom_key(declared: Mapping[str, Any]) -> Callable[[Inspected], str | None] | None:
    """Reads a part of a key from a header, the only kind that the program's own rules use; None for other kinds."""
    options = declared.get("header")
    if not options or any(name not in transformations.KNOWN for name in transformations.names(options)):
        return None
    known = [transformations.KNOWN[name] for name in transformations.names(options)]

    def key(inspected: Inspected) -> str | None:
        value = ", ".join(inspected.headers.getlist(options["name"]))
        return transformations.applied(known, value.encode("latin-1")).decode("latin-1") if value else None

    return key

"""Maps the host names of AWS to loopback addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from local import LOOPBACK


class UnknownHostError(Exception):
    """A URL names a host that no local service emulates; the local run never calls another machine."""


@dataclasses.dataclass(frozen=True, slots=True)
class AddressBook:
    """Maps AWS host names to addresses on loopback.

    Attributes:
        hosts: host name to base URL, such as ``{"cognito-idp.us-east-1.amazonaws.com": "http://127.0.0.1:4566"}``.
    """

    hosts: Mapping[str, str]

    def locate(self, url: str) -> str:
        """The same path and query at the loopback address of the URL's host; a loopback URL stays as it is.

        Raises:
            UnknownHostError: when no address is known for the host.
        """
        parts = urlsplit(url)
        if parts.hostname == LOOPBACK:
            return url
        base = self.hosts.get(parts.hostname or "")
        if base is None:
            raise UnknownHostError(f"No local service emulates {parts.hostname or url}.")
        here = urlsplit(base)
        return urlunsplit((here.scheme, here.netloc, parts.path, parts.query, parts.fragment))

    @classmethod
    def parse(cls, entries: list[str]) -> AddressBook:
        """The address book from ``host=base-url`` arguments of a command line."""
        return cls(dict(entry.split("=", 1) for entry in entries))

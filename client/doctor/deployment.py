"""The interface for reading what is deployed, on AWS and in the local run.

A *resource* is the API's current configuration; the *stage* serves a snapshot of it from the last deployment. The two
differ after a change that was not deployed: one made by hand, or a deployment without triggers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from contract import ORIGIN_HEADER


class NotDeployedError(Exception):
    """A resource that the outputs name does not exist; the text says which."""


class DeploymentUnavailable(Exception):  # noqa: N818 - the reader's failure, not the stack's
    """The deployment cannot be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The configuration of ``POST /invocations``. A field is None when it is unknown.

    Attributes:
        transfer_mode: ``STREAM`` or ``BUFFERED``.
        timeout_milliseconds: the integration's timeout.
        uri: the backend's URL with its query.
        authorization: ``COGNITO_USER_POOLS`` when the method has the authorizer.
        parameters: the integration's request parameters, by name; one of them may be the origin secret.
        private: whether the integration uses a VPC link.
    """

    transfer_mode: str | None
    timeout_milliseconds: int | None
    uri: str
    authorization: str | None
    parameters: Mapping[str, SecretStr]
    private: bool

    @property
    def origin_secret(self) -> SecretStr | None:
        """The origin secret that the gateway adds; None when it adds none."""
        return self._literal(f"header.{ORIGIN_HEADER}")

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters that the backend gets, from its URL and from literal mappings."""
        prefix = "integration.request.querystring."
        names = [name.removeprefix(prefix) for name in self.parameters if name.startswith(prefix)]
        added = {name: found.get_secret_value() for name in names if (found := self._literal(f"querystring.{name}"))}
        return {**dict(parse_qsl(urlsplit(self.uri).query)), **added}

    def _literal(self, name: str) -> SecretStr | None:
        wanted = f"integration.request.{name}".lower()
        sources = (source.get_secret_value() for key, source in self.parameters.items() if key.lower() == wanted)
        found = next((literal(source) for source in sources), None)
        return None if found is None else SecretStr(found)

    def differences(self, other: Invocation) -> list[str]:
        """Return the differences to another, one sentence each; unknown fields are not compared."""
        pairs = {
            "responseTransferMode": (self.transfer_mode, other.transfer_mode),
            "timeoutMilliseconds": (self.timeout_milliseconds, other.timeout_milliseconds),
            "uri": (self.uri, other.uri),
            "authorization": (self.authorization, other.authorization),
            "connectionType": tuple("VPC_LINK" if one.private else "INTERNET" for one in (self, other)),
        }
        plain = [
            f"{name} is {theirs} in the resource and {ours} in the stage"
            for name, (ours, theirs) in pairs.items()
            if ours is not None and theirs is not None and ours != theirs
        ]
        # Without their values: one of them is the origin secret.
        names = sorted({*self.parameters, *other.parameters})
        return plain + [
            f"{name} is not the same in the resource and in the stage"
            for name in names
            if self.parameters.get(name) != other.parameters.get(name)
        ]


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket: requests per second, and the burst size."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class ManagedGroup:
    """An AWS managed rule group in the web ACL, with the rules that are overridden to Count."""

    name: str
    counted: frozenset[str]


@dataclass(frozen=True, slots=True)
class Firewall:
    """The web ACL on the stage.

    Attributes:
        groups: its managed rule groups.
        body_limit: the body size in bytes above which a rule of the stack blocks; None when no rule does.
        evaluates_groups: whether the managed groups are evaluated; in a local run they are not.
    """

    groups: tuple[ManagedGroup, ...]
    body_limit: int | None
    evaluates_groups: bool


class Deployment(Protocol):
    """Reads what is deployed. Every method blocks, and may raise `DeploymentUnavailable` and `NotDeployedError`."""

    def stage(self) -> Invocation:
        """Return the method as the stage serves it."""
        ...

    def resource(self) -> Invocation:
        """Return the method as currently configured."""
        ...

    def throttle(self) -> Throttle | None:
        """Return the method's throttle; None when there is none."""
        ...

    def firewall(self) -> Firewall | None:
        """Return the web ACL; None when the stage has none."""
        ...

    def preflight_origin(self) -> str:
        """Return the origin that the preflight response allows; empty when there is none."""
        ...

    def log_line(self, request_id: str) -> Mapping[str, Any] | None:
        """Return the access-log line of a request; None when there is none yet."""
        ...

    def ping(self) -> Mapping[str, Any]:
        """Return the agent's ``/ping`` response; available in a local run only."""
        ...

    def alarms(self) -> int:
        """Return the number of the stack's alarms."""
        ...


def literal(source: str | None) -> str | None:
    """Return the value of a static parameter mapping, ``'value'``; None for any other mapping."""
    return source[1:-1] if source and len(source) >= 2 and source[0] == source[-1] == "'" else None


def named_origin(responses: Iterable[Mapping[str, Any]]) -> str:
    """Return the allowed origin in integration responses' ``responseParameters``; empty when there is none."""
    header = "method.response.header.Access-Control-Allow-Origin"
    origins = (literal((response.get("responseParameters") or {}).get(header)) for response in responses)
    return next((origin for origin in origins if origin is not None), "")


def log_object(line: str) -> Mapping[str, Any]:
    """Parse a line of the access log; empty when it is not a JSON object."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def hidden(parameters: Mapping[str, str] | None) -> Mapping[str, SecretStr]:
    """Wrap an integration's request parameters, so that they are not printed by accident."""
    return {name: SecretStr(source) for name, source in (parameters or {}).items()}

"""What is deployed, read from above: one small interface, for AWS and for the local run.

A *resource* is what the last `pulumi up` wrote; the *stage* serves a snapshot of it, taken when it was last deployed.
The two differ when a change was made and not deployed, by hand or by a deployment without triggers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from contract import ORIGIN_HEADER

"""Carries the secret by which the agent knows that a request came through the API."""


class NotDeployedError(Exception):
    """What the outputs name does not exist; the text says what."""


class DeploymentUnavailable(Exception):  # noqa: N818 - the reader's failure, not the stack's
    """The deployment cannot be read; the text says why and how it could."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How ``POST /invocations`` is set up. A field is None where the reader could not tell.

    Attributes:
        transfer_mode: ``STREAM`` or ``BUFFERED``.
        timeout_milliseconds: of the integration.
        uri: the backend's, with its query.
        authorization: ``COGNITO_USER_POOLS`` where the authorizer guards the method.
        parameters: what the gateway adds to the request, by the name of its mapping; one may be the origin secret.
        private: whether the backend is reached through a VPC link.
    """

    transfer_mode: str | None
    timeout_milliseconds: int | None
    uri: str
    authorization: str | None
    parameters: Mapping[str, SecretStr]
    private: bool

    @property
    def origin_secret(self) -> SecretStr | None:
        """What the gateway adds so that the agent knows it; None when it adds nothing."""
        return self._literal(f"header.{ORIGIN_HEADER}")

    @property
    def query(self) -> Mapping[str, str]:
        """The query that the backend gets, from its address and from literal mappings."""
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
        """What differs from another, by name; what either does not know does not differ."""
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
        # Their values stay unsaid: one of them is the origin secret.
        names = sorted({*self.parameters, *other.parameters})
        return plain + [
            f"{name} is not the same in the resource and in the stage"
            for name in names
            if self.parameters.get(name) != other.parameters.get(name)
        ]


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket: steady requests a second, and how many at once."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class ManagedGroup:
    """One of AWS's rule groups in the web ACL, with the rules that only count."""

    name: str
    counted: frozenset[str]


@dataclass(frozen=True, slots=True)
class Firewall:
    """The web ACL on the stage.

    Attributes:
        groups: the managed rule groups that it runs.
        body_limit: bytes above which a rule of its own blocks a body; None when no rule does.
        evaluates_groups: whether the managed groups are evaluated; a local run only declares them.
    """

    groups: tuple[ManagedGroup, ...]
    body_limit: int | None
    evaluates_groups: bool


class Deployment(Protocol):
    """Reads what is deployed, and blocks while it reads.

    Every method may raise `DeploymentUnavailable`, and `NotDeployedError`.
    """

    def stage(self) -> Invocation:
        """The method as the stage serves it."""
        ...

    def resource(self) -> Invocation:
        """The method as its resources were last written."""
        ...

    def throttle(self) -> Throttle | None:
        """The bound on the method's pace; None when there is none."""
        ...

    def firewall(self) -> Firewall | None:
        """The web ACL; None when the stage has none."""
        ...

    def preflight_origin(self) -> str:
        """The origin that the preflight answer names; empty when there is none."""
        ...

    def log_line(self, request_id: str) -> Mapping[str, Any] | None:
        """The access-log line of a request; None when there is none yet."""
        ...

    def ping(self) -> Mapping[str, Any]:
        """What the agent's ``/ping`` says, where anybody but AgentCore may ask it."""
        ...

    def alarms(self) -> int:
        """How many alarms watch the stack."""
        ...


def literal(source: str | None) -> str | None:
    """The value of a static parameter mapping, ``'value'``; None for any other."""
    return source[1:-1] if source and len(source) >= 2 and source[0] == source[-1] == "'" else None


def named_origin(responses: Iterable[Mapping[str, Any]]) -> str:
    """The origin that integration responses name, from their ``responseParameters``; empty when none does."""
    header = "method.response.header.Access-Control-Allow-Origin"
    origins = (literal((response.get("responseParameters") or {}).get(header)) for response in responses)
    return next((origin for origin in origins if origin is not None), "")


def log_object(line: str) -> Mapping[str, Any]:
    """A line of the access log; empty when it is no JSON object."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def hidden(parameters: Mapping[str, str] | None) -> Mapping[str, SecretStr]:
    """An integration's request parameters, as they may be kept."""
    return {name: SecretStr(source) for name, source in (parameters or {}).items()}

"""What a web ACL's rule says of a request: one small class a statement, each with ``matches``.

Statements: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements-list.html
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

from local.gateway.rate_rule import RateStatement, rate_keys

Condition = Callable[[bytes], bool]


@dataclasses.dataclass(slots=True)
class Inspected:
    """What rules see of a request.

    Attributes:
        headers: names in lower case.
        body: no more of it than the inspection limit.
        oversize: whether there was more.
        labels: what earlier rules attached.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    oversize: bool
    address: str
    labels: set[str] = dataclasses.field(default_factory=set)


class Statement(Protocol):
    """One statement of a rule."""

    def matches(self, inspected: Inspected) -> bool:
        """Whether the request is what the statement describes."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Never:
    """Stands for a statement that cannot be evaluated here."""

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        del inspected
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class Combined:
    """``and``, ``or`` and ``not``."""

    combine: Callable[[Iterable[bool]], bool]
    parts: Sequence[Statement]

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        return self.combine(part.matches(inspected) for part in self.parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """An earlier rule attached a label; a namespace ends in a colon and matches all labels in it."""

    key: str
    scope: str

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        if self.scope == "NAMESPACE":
            return any(label.startswith(self.key) for label in inspected.labels)
        return any(label == self.key or label.endswith(f":{self.key}") for label in inspected.labels)


@dataclasses.dataclass(frozen=True, slots=True)
class FromAddress:
    """The request comes from one of a set of addresses."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        address = ipaddress.ip_address(inspected.address)
        return any(address in network for network in self.networks)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A part of the request as text for a statement to look at: after the text transformations, in their order.

    ``oversize`` says what a body beyond the inspection limit counts as: ``CONTINUE`` looks at what is there.
    """

    read: Callable[[Inspected], bytes | None]
    transformations: tuple[Callable[[bytes], bytes], ...]
    oversize: str

    def test(self, inspected: Inspected, condition: Callable[[bytes], bool]) -> bool:
        """Whether the part meets a condition; an absent part does not."""
        if inspected.oversize and self.oversize in ("MATCH", "NO_MATCH"):
            return self.oversize == "MATCH"
        text = self.read(inspected)
        if text is None:
            return False
        for transform in self.transformations:
            text = transform(text)
        return condition(text)


@dataclasses.dataclass(frozen=True, slots=True)
class PartMeets:
    """A part of the request has a size, holds bytes or matches an expression."""

    part: Part
    condition: Callable[[bytes], bool]

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        return self.part.test(inspected, self.condition)


_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "EQ": lambda size, limit: size == limit,
    "NE": lambda size, limit: size != limit,
    "LE": lambda size, limit: size <= limit,
    "LT": lambda size, limit: size < limit,
    "GE": lambda size, limit: size >= limit,
    "GT": lambda size, limit: size > limit,
}

_POSITIONS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    "EXACTLY": lambda text, sought: text == sought,
    "STARTS_WITH": lambda text, sought: text.startswith(sought),
    "ENDS_WITH": lambda text, sought: text.endswith(sought),
    "CONTAINS": lambda text, sought: sought in text,
    "CONTAINS_WORD": lambda text, sought: re.search(rb"(?<!\w)" + re.escape(sought) + rb"(?!\w)", text) is not None,
}

_TRANSFORMATIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "NONE": lambda text: text,
    "LOWERCASE": bytes.lower,
    "URL_DECODE": lambda text: unquote(text.decode("latin-1"), "latin-1").encode("latin-1"),
    "COMPRESS_WHITE_SPACE": lambda text: re.sub(rb"\s+", b" ", text),
}


@dataclasses.dataclass(frozen=True, slots=True)
class StatementReader:
    """Reads declared statements.

    Attributes:
        address_sets: addresses by the ARN of their IP set.
        time_scale: windows of rate rules are divided by this.
        report: told the name of whatever cannot be evaluated; that never matches.
    """

    address_sets: Mapping[str, Sequence[str]]
    time_scale: float
    report: Callable[[str], None]

    def read(self, declared: Mapping[str, Any]) -> Statement:
        """A declared statement, ready to be evaluated."""
        ((kind, body),) = [(key, value) for key, value in declared.items() if value is not None]
        readers: Mapping[str, Callable[[Mapping[str, Any]], Statement]] = {
            "andStatement": lambda body: Combined(all, self._all(body)),
            "orStatement": lambda body: Combined(any, self._all(body)),
            "notStatement": lambda body: Combined(lambda found: not any(found), self._all(body)),
            "labelMatchStatement": lambda body: Labelled(body["key"], body["scope"]),
            "ipSetReferenceStatement": self._addresses,
            "rateBasedStatement": self._rate,
            "sizeConstraintStatement": lambda body: self._part(body, _size_condition),
            "byteMatchStatement": lambda body: self._part(body, _bytes_condition),
            "regexMatchStatement": lambda body: self._part(body, _regex_condition),
        }
        if kind in readers:
            return readers[kind](body)
        self.report(str(body["name"]) if kind == "managedRuleGroupStatement" else kind)
        return Never()

    def _all(self, body: Mapping[str, Any]) -> list[Statement]:
        return [self.read(one) for one in body["statements"]]

    def _addresses(self, body: Mapping[str, Any]) -> Statement:
        return FromAddress(tuple(ipaddress.ip_network(one) for one in self.address_sets.get(body["arn"], ())))

    def _rate(self, body: Mapping[str, Any]) -> Statement:
        keys = rate_keys(body)
        if keys is None:
            self.report(f"rate by {body['aggregateKeyType']}")
            return Never()
        scope = body.get("scopeDownStatement")
        window = body.get("evaluationWindowSec") or 300
        return RateStatement(int(body["limit"]), window / self.time_scale, keys, self.read(scope) if scope else None)

    def _part(self, body: Mapping[str, Any], condition_of: Callable[[Mapping[str, Any]], Condition]) -> Statement:
        ((kind, options),) = (body.get("fieldToMatch") or {"none": {}}).items()
        names = [one["type"] for one in sorted(body.get("textTransformations") or (), key=lambda one: one["priority"])]
        unknown = [name for name in names if name not in _TRANSFORMATIONS]
        if kind not in _PARTS or unknown:
            self.report(" ".join([kind, *unknown]))
            return Never()
        oversize = options.get("oversizeHandling", "CONTINUE") if kind == "body" else "CONTINUE"
        part = Part(_PARTS[kind](options), tuple(_TRANSFORMATIONS[name] for name in names), oversize)
        return PartMeets(part, condition_of(body))


def _size_condition(body: Mapping[str, Any]) -> Condition:
    compare, limit = _COMPARISONS[body["comparisonOperator"]], int(body["size"])
    return lambda text: compare(len(text), limit)


def _bytes_condition(body: Mapping[str, Any]) -> Condition:
    at, sought = _POSITIONS[body["positionalConstraint"]], str(body["searchString"]).encode()
    return lambda text: at(text, sought)


def _regex_condition(body: Mapping[str, Any]) -> Condition:
    expression = re.compile(str(body["regexString"]).encode())
    return lambda text: expression.search(text) is not None


def _header(inspected: Inspected, name: str) -> bytes | None:
    value = inspected.headers.get(name.lower())
    return None if value is None else value.encode("latin-1", "replace")


# A part's reader, given the options of its ``fieldToMatch``.
_PARTS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Inspected], bytes | None]]] = {
    "body": lambda _: lambda inspected: inspected.body,
    "method": lambda _: lambda inspected: inspected.method.encode(),
    "queryString": lambda _: lambda inspected: inspected.query.encode("latin-1", "replace"),
    "uriPath": lambda _: lambda inspected: inspected.path.encode("latin-1", "replace"),
    "singleHeader": lambda options: lambda inspected: _header(inspected, options["name"]),
}

"""The statements of a web ACL's rules: one small class for each, with ``matches``.

Evaluates the statements of the program's own rules and the usual ones of a team's own rule: IP sets; the size, text or
expression of a header, method, path, query or body; and and, or, not over them. Every other statement is reported as
not evaluated, such as labels, which mostly come from AWS's managed groups.

Statements: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements-list.html
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from local.planes.gateway import transformations
from local.planes.gateway.inspected import Inspected, Statement
from local.planes.gateway.rate_rule import RateStatement, rate_keys

Condition = Callable[[bytes], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Combined:
    """``and``, ``or`` and ``not``."""

    combine: Callable[[Iterable[bool]], bool]
    parts: Sequence[Statement]

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        return self.combine(part.matches(inspected) for part in self.parts)


@dataclasses.dataclass(frozen=True, slots=True)
class InIpSet:
    """The request comes from one of a set of addresses."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        address = ipaddress.ip_address(inspected.address)
        return any(address in network for network in self.networks)


@dataclasses.dataclass(frozen=True, slots=True)
class ComponentMatches:
    """A component of the request meets a condition of size, text or expression; an absent component does not match.

    Attributes:
        read: returns the component's values: none if it is absent, several for a repeated header; one match is enough.
        transformations: applied to a value first, in this order.
        oversize: the result for a body beyond the inspection limit; ``CONTINUE`` evaluates the part within the limit.
        condition: evaluated on each transformed value.
    """

    read: Callable[[Inspected], Sequence[bytes]]
    transformations: tuple[transformations.Transformation, ...]
    oversize: str
    condition: Condition

    def matches(self, inspected: Inspected) -> bool:
        """See `Statement`."""
        if inspected.oversize and self.oversize in ("MATCH", "NO_MATCH"):
            return self.oversize == "MATCH"
        return any(
            self.condition(transformations.applied(self.transformations, value)) for value in self.read(inspected)
        )


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


@dataclasses.dataclass(frozen=True, slots=True)
class StatementReader:
    """Reads declared statements.

    Attributes:
        address_sets: addresses by the ARN of their IP set.
        time_scale: windows of rate rules are divided by this.
        report: called with the name of each statement that cannot be evaluated.
    """

    address_sets: Mapping[str, Sequence[str]]
    time_scale: float
    report: Callable[[str], None]

    def read(self, declared: Mapping[str, Any]) -> Statement | None:
        """A declared statement that can be evaluated; None when it, or a statement inside it, cannot be.

        One unknown statement makes the whole unknown: as "no match" it would be a match inside a "not".
        """
        ((kind, body),) = [(key, value) for key, value in declared.items() if value is not None]
        readers: Mapping[str, Callable[[Mapping[str, Any]], Statement | None]] = {
            "andStatement": lambda body: self._combined(all, body["statements"]),
            "orStatement": lambda body: self._combined(any, body["statements"]),
            "notStatement": lambda body: self._combined(lambda found: not any(found), [body["statement"]]),
            "ipSetReferenceStatement": self._addresses,
            "rateBasedStatement": self._rate,
            "sizeConstraintStatement": lambda body: self._component(body, _size_condition),
            "byteMatchStatement": lambda body: self._component(body, _bytes_condition),
            "regexMatchStatement": lambda body: self._component(body, _regex_condition),
        }
        if kind in readers:
            return readers[kind](body)
        return self._unknown(str(body["name"]) if kind == "managedRuleGroupStatement" else kind)

    def _unknown(self, what: str) -> Statement | None:
        self.report(what)
        return None

    def _combined(
        self, combine: Callable[[Iterable[bool]], bool], declared: Sequence[Mapping[str, Any]]
    ) -> Statement | None:
        parts = [self.read(one) for one in declared]
        known = [part for part in parts if part is not None]
        return Combined(combine, known) if len(known) == len(parts) else None

    def _addresses(self, body: Mapping[str, Any]) -> Statement | None:
        if body.get("ipSetForwardedIpConfig") or body["arn"] not in self.address_sets:
            return self._unknown("addresses from a header, or an IP set that the program does not declare")
        return InIpSet(tuple(ipaddress.ip_network(one) for one in self.address_sets[body["arn"]]))

    def _rate(self, body: Mapping[str, Any]) -> Statement | None:
        keys = rate_keys(body)
        if keys is None:
            return self._unknown(f"rate by {body['aggregateKeyType']}")
        scope = self.read(body["scopeDownStatement"]) if body.get("scopeDownStatement") else None
        if scope is None and body.get("scopeDownStatement"):
            return None
        window = body.get("evaluationWindowSec") or 300
        return RateStatement(int(body["limit"]), window / self.time_scale, keys, scope)

    def _component(
        self, body: Mapping[str, Any], condition_of: Callable[[Mapping[str, Any]], Condition]
    ) -> Statement | None:
        ((kind, options),) = (body.get("fieldToMatch") or {"none": {}}).items()
        names = transformations.names(body)
        unknown = [name for name in names if name not in transformations.KNOWN]
        if kind not in _COMPONENTS or unknown:
            return self._unknown(" ".join([kind, *unknown]))
        try:
            condition = condition_of(body)
        except re.error:
            return self._unknown(f"expression {body['regexString']}")
        oversize = options.get("oversizeHandling", "CONTINUE") if kind == "body" else "CONTINUE"
        known = tuple(transformations.KNOWN[name] for name in names)
        return ComponentMatches(_COMPONENTS[kind](options), known, oversize, condition)


def _size_condition(body: Mapping[str, Any]) -> Condition:
    compare, limit = _COMPARISONS[body["comparisonOperator"]], int(body["size"])
    return lambda text: compare(len(text), limit)


def _bytes_condition(body: Mapping[str, Any]) -> Condition:
    at, sought = _POSITIONS[body["positionalConstraint"]], str(body["searchString"]).encode()
    return lambda text: at(text, sought)


def _regex_condition(body: Mapping[str, Any]) -> Condition:
    expression = re.compile(str(body["regexString"]).encode())
    return lambda text: expression.search(text) is not None


def _header_values(options: Mapping[str, Any]) -> Callable[[Inspected], Sequence[bytes]]:
    name = str(options["name"])
    return lambda inspected: [value.encode("latin-1") for value in inspected.headers.getlist(name)]


# By the component in ``fieldToMatch``: a function from its options to one that reads the component of a request.
_COMPONENTS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Inspected], Sequence[bytes]]]] = {
    "body": lambda _: lambda inspected: (inspected.body,),
    "method": lambda _: lambda inspected: (inspected.method.encode(),),
    "queryString": lambda _: lambda inspected: (inspected.query.encode("latin-1"),),
    "uriPath": lambda _: lambda inspected: (inspected.path.encode("latin-1"),),
    "singleHeader": _header_values,
}

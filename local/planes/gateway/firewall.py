"""The web ACL: evaluates the declared rules on a request, in order of priority.

AWS's managed rule groups are listed and not evaluated: their patterns are not public. Any other rule that cannot be
evaluated here is left out as a whole, and listed in `WebAcl.not_evaluated`.

Statements: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements-list.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from contract import Kind
from local.planes.gateway.firewall_statements import StatementReader
from local.planes.gateway.inspected import Inspected, Statement
from local.planes.gateway.responses import GatewayError
from local.program.graph import Graph

_INSPECTION_LIMITS = {"KB_16": 16, "KB_32": 32, "KB_48": 48, "KB_64": 64}


class BlockedError(GatewayError):
    """The web ACL blocks the request.

    A custom response takes precedence over the API's own ``WAF_FILTERED`` response
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html).
    """

    def __init__(self, rule: str, answer: CustomResponse | None) -> None:
        super().__init__("WAF_FILTERED", reason=f"blocked by the rule {rule}")
        self.answer = answer


@dataclasses.dataclass(frozen=True, slots=True)
class CustomResponse:
    """The response of a rule, or of the default action, to a request that it blocks."""

    status: int
    body: str
    media_type: str
    headers: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``action`` is ``allow``, ``block`` or ``count``."""

    name: str
    statement: Statement
    action: str
    answer: CustomResponse | None


@dataclasses.dataclass(frozen=True, slots=True)
class WebAcl:
    """A web ACL on a stage.

    Attributes:
        rules: by rising priority.
        default_action: ``allow`` or ``block``.
        inspection_limit: bytes of a body that rules inspect; the rest is not inspected.
        not_evaluated: the declared rules that are left out, each with the reason.
    """

    rules: Sequence[Rule]
    default_action: str
    default_answer: CustomResponse | None
    inspection_limit: int
    not_evaluated: tuple[str, ...]

    def check(self, inspected: Inspected) -> None:
        """Evaluate the rules on a request; a rule with Count does not end the evaluation.

        Raises:
            BlockedError: when a rule, or the default action, blocks it.
        """
        for rule in self.rules:
            if not rule.statement.matches(inspected):
                continue
            if rule.action == "block":
                raise BlockedError(rule.name, rule.answer)
            if rule.action == "allow":
                return
        if self.default_action == "block":
            raise BlockedError("the default action", self.default_answer)


def web_acl_from_graph(graph: Graph) -> WebAcl | None:
    """The web ACL that is associated with the stage; None when none is."""
    stage = graph.one(Kind.STAGE)
    associations = [
        one.inputs["webAclArn"]
        for one in graph.all(Kind.WEB_ACL_ASSOCIATION)
        if one.inputs["resourceArn"] == stage.outputs["arn"]
    ]
    found = [acl for acl in graph.all(Kind.WEB_ACL) if acl.outputs["arn"] in associations]
    if not found:
        return None
    inputs = found[0].inputs
    address_sets = {one.outputs["arn"]: one.inputs.get("addresses") or [] for one in graph.all("aws:wafv2/ipSet:IpSet")}
    bodies = {body["key"]: body for body in inputs.get("customResponseBodies") or ()}
    missing: list[str] = []
    reader = StatementReader(address_sets, graph.time_scale, missing.append)
    declared = sorted(inputs.get("rules") or (), key=lambda rule: rule["priority"])
    rules = [rule for one in declared if (rule := _rule(one, reader, bodies)) is not None]
    default = inputs["defaultAction"]
    return WebAcl(
        rules=rules,
        default_action="block" if "block" in default else "allow",
        default_answer=_answer(default.get("block") or {}, bodies),
        inspection_limit=_inspection_limit(inputs) * 1024,
        not_evaluated=tuple(missing),
    )


def _rule(declared: Mapping[str, Any], reader: StatementReader, bodies: Mapping[str, Mapping[str, Any]]) -> Rule | None:
    """A rule that can be evaluated; None when it is left out, which is then reported."""
    name = declared["name"]
    # A group has an override instead of an action: its own rules decide unless the override is Count.
    action: Mapping[str, Any] = declared.get("action") or declared.get("overrideAction") or {"count": {}}
    kind = next(iter(action))
    named = dataclasses.replace(reader, report=lambda what: reader.report(what if what == name else f"{name}: {what}"))
    statement = named.read(declared["statement"])
    if statement is not None and kind not in ("allow", "block", "count", "none"):
        named.report(f"action {kind}")
        statement = None
    if (action[kind] or {}).get("customRequestHandling"):
        named.report("headers that it inserts")
        statement = None
    if statement is None:
        return None
    return Rule(name, statement, kind, _answer(action.get("block") or {}, bodies))


def _answer(block: Mapping[str, Any], bodies: Mapping[str, Mapping[str, Any]]) -> CustomResponse | None:
    custom = block.get("customResponse")
    if not custom:
        return None
    body = bodies.get(custom.get("customResponseBodyKey", ""), {})
    media_types = {"APPLICATION_JSON": "application/json", "TEXT_HTML": "text/html", "TEXT_PLAIN": "text/plain"}
    return CustomResponse(
        status=int(custom["responseCode"]),
        body=body.get("content", ""),
        media_type=media_types.get(body.get("contentType", ""), "text/plain"),
        headers={header["name"]: header["value"] for header in custom.get("responseHeaders") or ()},
    )


def _inspection_limit(inputs: Mapping[str, Any]) -> int:
    """Kilobytes; 16 unless the web ACL asks for more
    (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html)."""
    for body in (inputs.get("associationConfig") or {}).get("requestBodies") or ():
        if body.get("apiGateway"):
            return _INSPECTION_LIMITS[body["apiGateway"]["defaultSizeInspectionLimit"]]
    return 16

"""The ways to undo what guards a page of its own: edits of a stack that has one, by the rule that they wake."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from contract import Kind
from policy import graph as kinds
from tests.policy.edits import Edit, Outputs, changed, copied, drop, put

OF_THE_EDGE = {"where": lambda outputs: outputs["scope"] == "CLOUDFRONT"}
OF_THE_STAGE = {"where": lambda outputs: outputs["scope"] == "REGIONAL"}

distribution = partial(changed, Kind.DISTRIBUTION)


def asking(change: Callable[[Outputs], None]) -> Edit:
    """The behaviour for /invocations, changed."""
    return distribution(lambda outputs: change(outputs["orderedCacheBehaviors"][0]))


def origin(name: str, change: Callable[[Outputs], None]) -> Edit:
    """One of the origins, changed."""

    def edit(outputs: Outputs) -> None:
        change(next(each for each in outputs["origins"] if each["originId"] == name))

    return distribution(edit)


def rate(change: Callable[[Outputs], None], where: Mapping[str, Any] = OF_THE_STAGE) -> Edit:
    """The rate-based rule by address of one of the web ACLs, changed."""

    def edit(outputs: Outputs) -> None:
        outputs["rules"] = copy.deepcopy(outputs["rules"])
        change(next(rule["statement"]["rateBasedStatement"] for rule in outputs["rules"] if rule["name"] == RATE))

    return changed(Kind.WEB_ACL, edit, **where)


def known(change: Callable[[Outputs], None]) -> Edit:
    """Each header by which the stage's rate knows CloudFront, changed."""

    def edit(statement: Outputs) -> None:
        either = statement["scopeDownStatement"]["notStatement"]["statement"]["orStatement"]["statements"]
        for each in either:
            change(each["byteMatchStatement"])

    return rate(edit)


def counted_by_header(statement: Outputs) -> None:
    """The edge's rate leaves out who sends a header: a viewer may send any."""
    match = {
        "fieldToMatch": {"singleHeader": {"name": "authorization"}},
        "positionalConstraint": "EXACTLY",
        "searchString": "x" * 48,
    }
    statement["scopeDownStatement"] = {"notStatement": {"statement": {"byteMatchStatement": match}}}


def only_other_rules(outputs: Outputs) -> None:
    outputs["rules"] = [rule for rule in outputs["rules"] if rule["name"] != RATE]


def no_reputation(outputs: Outputs) -> None:
    outputs["rules"] = [rule for rule in outputs["rules"] if "IpReputation" not in rule["name"]]


def no_header(outputs: Outputs) -> None:
    fields = outputs["redactedFields"]
    outputs["redactedFields"] = [each for each in fields if each["singleHeader"]["name"] != "x-origin-verify"]


def shown_in_samples(outputs: Outputs) -> None:
    for entry in outputs["dataProtectionConfig"]["dataProtections"]:
        keys = entry["field"].get("fieldKeys")
        if keys:
            entry["field"]["fieldKeys"] = [key for key in keys if key != "x-origin-verify"]


RATE = "rate-per-address"

WEBSITE_MUTATIONS: Mapping[str, Mapping[str, Edit]] = {
    "cloudfront-passes-it-on": {
        "answers are kept": asking(put("658327ea-f89d-4fab-a63d-7e88639e58f6", "cachePolicyId")),
        "no cache policy": asking(drop("cachePolicyId")),
        "answers are compressed": asking(put(True, "compress")),
        "no header is passed on": asking(drop("originRequestPolicyId")),
        "the page's host name too": asking(put("216adef6-5c7f-47e4-b989-5492eafa07d3", "originRequestPolicyId")),
        "reading only": asking(put(["GET", "HEAD"], "allowedMethods")),
        "a page for every 403": distribution(
            put([{"errorCode": 403, "responseCode": 200, "responsePagePath": "/index.html"}], "customErrorResponses")
        ),
        "CloudFront waits less than two heartbeats": origin("api", put(15, "customOriginConfig", "originReadTimeout")),
        "everything to the API, and kept": distribution(put("api", "defaultCacheBehavior", "targetOriginId")),
    },
    "cloudfront-speaks-tls": {
        "TLS 1.0": distribution(put("TLSv1", "viewerCertificate", "minimumProtocolVersion")),
        "any TLS": distribution(drop("viewerCertificate")),
        "plain HTTP for questions": asking(put("allow-all", "viewerProtocolPolicy")),
        "plain HTTP for the page": distribution(put("allow-all", "defaultCacheBehavior", "viewerProtocolPolicy")),
        "plain HTTP to the API": origin("api", put("match-viewer", "customOriginConfig", "originProtocolPolicy")),
    },
    "buckets-are-private": {
        "unsigned": origin("page", drop("originAccessControlId")),
        "a second bucket, not closed": copied(Kind.BUCKET, put("another", "bucket")),
    },
    "web-acl-on-stage": {
        "none in front of CloudFront": distribution(drop("webAclId")),
        "another stack's": distribution(put("arn:another", "webAclId")),
    },
    "web-acl-refuses": {
        "no rate in front of CloudFront": changed(Kind.WEB_ACL, only_other_rules, **OF_THE_EDGE),
        "a header escapes the rate in front of CloudFront": rate(counted_by_header, OF_THE_EDGE),
        "no reputation list in front of CloudFront": changed(Kind.WEB_ACL, no_reputation, **OF_THE_EDGE),
        "a value that is written down": known(put("open sesame, whoever you may be, and come in", "searchString")),
        "whatever is in the header": known(put("CONTAINS", "positionalConstraint")),
        "a header that CloudFront does not send": known(put("authorization", "fieldToMatch", "singleHeader", "name")),
        "a part of the body": known(put({"body": {}}, "fieldToMatch")),
        "CloudFront sends nothing": origin("api", drop("customHeaders")),
        "CloudFront sends another value": origin(
            "api", put([{"name": "x-origin-verify", "value": "another"}], "customHeaders")
        ),
        "requests from elsewhere only": rate(
            put({"geoMatchStatement": {"countryCodes": ["AQ"]}}, "scopeDownStatement")
        ),
    },
    "no-secret-in-logs": {
        "CloudFront's secret in the log": changed(
            kinds.WEB_ACL_LOGGING,
            no_header,
            where=lambda outputs: any("origin" in each["singleHeader"]["name"] for each in outputs["redactedFields"]),
        ),
        "CloudFront's secret in samples": changed(Kind.WEB_ACL, shown_in_samples, **OF_THE_STAGE),
    },
}

"""The guard rails. Each reads the whole stack and says what is wrong, what breaks for the user, and how to mend it.

They know nothing of settings: whoever edits the program, by whatever way, the declared resources must still stream,
and still be protected. A rule is made of checks, each about the resources of one type; the modules hold them by what
they guard: `policy.streaming`, `policy.identity`, `policy.firewall`, `policy.protection`, `policy.permissions`,
`policy.runtime_policy`, `policy.cloudfront`, `policy.buckets`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pulumi_policy.proxy import UnknownValueError

from contract import Kind
from policy import buckets, cloudfront, firewall, identity, permissions, protection, runtime_policy, streaming
from policy.graph import (
    BUCKET_CLOSED,
    BUCKET_POLICY,
    EVERYTHING_OF_IAM,
    WEB_ACL_LOGGING,
    Check,
    Declared,
    Stack,
    is_by_itself,
)

Finding = tuple[Declared, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One guard rail: its name, the invariant it keeps, and its checks, each with the type that it is about."""

    name: str
    description: str
    checks: Sequence[tuple[str, Check]]

    @property
    def by_itself(self) -> Rule:
        """The part of the rule that one resource's inputs decide."""
        return replace(self, checks=[each for each in self.checks if is_by_itself(each[1])])

    @property
    def across(self) -> Rule:
        """The part that needs other resources too."""
        return replace(self, checks=[each for each in self.checks if not is_by_itself(each[1])])

    def findings(self, stack: Stack) -> Iterator[Finding]:
        """What breaks the rule, and where.

        A check that meets an unknown value cannot judge the resource and lets it pass: it runs again when the value is
        known. One that fails in any other way has judged nothing, which must not look like a pass.
        """
        for type_, check in self.checks:
            for resource in stack.all(type_):
                try:
                    yield from ((resource, message) for message in check(resource, stack))
                except UnknownValueError:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, the rule did not hold
                    yield (
                        resource,
                        (
                            f"The rule {self.name} stopped with {type(error).__name__} ({error}), so it is not known "
                            f"whether it holds. Set the property as AWS documents it, or mend {check.__module__}."
                        ),
                    )


RULES: Sequence[Rule] = (
    Rule(
        "stream-to-agentcore",
        "Every integration that faces AgentCore streams.",
        [(Kind.INTEGRATION, streaming.transfer_mode)],
    ),
    Rule(
        "timeout-is-raised",
        "A streaming integration is given more than the default 29 s.",
        [(Kind.INTEGRATION, streaming.timeout)],
    ),
    Rule(
        "invocations-address",
        "Requests go to /invocations of the runtime's endpoint.",
        [
            (Kind.RUNTIME, streaming.reached),
            (Kind.INTEGRATION, streaming.address),
            (Kind.INTEGRATION, streaming.of_own_runtime),
            (Kind.INTEGRATION, streaming.query),
        ],
    ),
    Rule(
        "nothing-holds-the-stream",
        "Nothing is declared that STREAM forbids.",
        [
            (Kind.INTEGRATION, streaming.converts),
            (Kind.INTEGRATION_RESPONSE, streaming.rewrites),
            (Kind.REST_API, streaming.compresses),
            (Kind.STAGE, streaming.stage_caches),
            (Kind.METHOD_SETTINGS, streaming.method_caches),
        ],
    ),
    Rule(
        "endpoint-follows-the-runtime",
        "A named endpoint is given the runtime's version.",
        [
            (Kind.RUNTIME_ENDPOINT, streaming.endpoint_given_a_version),
            (Kind.RUNTIME_ENDPOINT, streaming.endpoint_version),
        ],
    ),
    Rule(
        "id-token-required",
        "Every method but OPTIONS takes an ID token of the user pool, and OPTIONS reaches nothing.",
        [
            (Kind.METHOD, identity.methods),
            (Kind.REST_API, identity.methods_declared),
            (Kind.INTEGRATION, identity.preflight),
            (Kind.AUTHORIZER, identity.authorizer_kind),
        ],
    ),
    Rule(
        "app-client-pinned",
        "The gateway takes tokens of one app client only.",
        [(Kind.AUTHORIZER, identity.client_pinned)],
    ),
    Rule(
        "runtime-agrees",
        "The runtime checks the same pool and client as the gateway.",
        [(Kind.RUNTIME, identity.runtime_checks), (Kind.RUNTIME, identity.runtime_agrees)],
    ),
    Rule(
        "token-reaches-agent",
        "The agent is told who is asking.",
        [(Kind.INTEGRATION, identity.token_mapped), (Kind.RUNTIME, identity.headers_forwarded)],
    ),
    Rule(
        "session-is-named",
        "The gateway names the session, in the way that the agent expects.",
        [(Kind.INTEGRATION, identity.session_mapped), (Kind.MODEL, identity.thread_required)],
    ),
    Rule(
        "public-client",
        "The app client has no secret, and no flow that sends a password.",
        [(Kind.USER_POOL_CLIENT, identity.public_client)],
    ),
    Rule(
        "web-acl-on-stage",
        "A web ACL stands in front of every stage, and of CloudFront.",
        [(Kind.STAGE, firewall.stands_in_front), (Kind.DISTRIBUTION, cloudfront.stands_behind)],
    ),
    Rule(
        "web-acl-refuses",
        "Every web ACL blocks known attacks and floods, and lets nothing skip a rule.",
        [
            (Kind.WEB_ACL, firewall.known_attacks),
            (Kind.WEB_ACL, firewall.floods),
            (Kind.WEB_ACL, cloudfront.trusts_cloudfront_alone),
            (Kind.WEB_ACL, firewall.no_short_cut),
        ],
    ),
    Rule(
        "large-bodies-are-seen",
        "A body that WAF cannot read whole is counted or blocked.",
        [(Kind.WEB_ACL, firewall.large_bodies)],
    ),
    Rule(
        "logs-on",
        "Every stage and every web ACL writes a log.",
        [(Kind.STAGE, protection.stage_logged), (Kind.WEB_ACL, firewall.logged)],
    ),
    Rule(
        "no-secret-in-logs",
        "No log and no sample shows a token or the origin secret.",
        [
            (Kind.STAGE, protection.access_log_hides_secrets),
            (Kind.METHOD_SETTINGS, protection.execution_log_hides_secrets),
            (WEB_ACL_LOGGING, firewall.log_hides_secrets),
            (WEB_ACL_LOGGING, firewall.log_hides_cloudfronts),
            (Kind.WEB_ACL, firewall.samples_hide_secrets),
        ],
    ),
    Rule(
        "throttled",
        "Every stage bounds the pace of all its methods.",
        [
            (Kind.STAGE, protection.every_method_throttled),
            (Kind.METHOD_SETTINGS, protection.throttle_bounds),
        ],
    ),
    Rule(
        "cloudfront-passes-it-on",
        "CloudFront passes on what goes to the API and what comes back, as it is and as it comes.",
        [
            (Kind.DISTRIBUTION, cloudfront.passes_on),
            (Kind.DISTRIBUTION, cloudfront.hides_no_refusal),
            (Kind.DISTRIBUTION, cloudfront.waits_for_heartbeats),
        ],
    ),
    Rule(
        "cloudfront-speaks-tls",
        "CloudFront is spoken to, and speaks, in TLS.",
        [(Kind.DISTRIBUTION, cloudfront.speaks_tls)],
    ),
    Rule(
        "buckets-are-private",
        "Nobody reads a bucket but whom its policy names.",
        [
            (Kind.BUCKET, buckets.is_closed),
            (BUCKET_CLOSED, buckets.closes_every_way),
            (BUCKET_POLICY, buckets.names_its_readers),
            (Kind.DISTRIBUTION, cloudfront.signs_for_the_bucket),
        ],
    ),
    Rule(
        "least-privilege",
        "No role may do or touch everything, but for a listed few, or be assumed by anybody but an AWS service.",
        [
            (EVERYTHING_OF_IAM, permissions.document),
            (EVERYTHING_OF_IAM, permissions.others_objects),
            (EVERYTHING_OF_IAM, permissions.attachments),
            (Kind.ROLE, permissions.inline_documents),
            (Kind.ROLE, permissions.trust),
        ],
    ),
    Rule(
        "no-way-round",
        "In production a token alone does not open the runtime.",
        [(Kind.RUNTIME, protection.bypass)],
    ),
    Rule(
        "questions-only",
        "Every runtime has one resource policy, by which a token asks questions; in production it opens no shell.",
        [
            (Kind.RUNTIME, runtime_policy.one_policy),
            (Kind.RESOURCE_POLICY, runtime_policy.questions_only),
            (Kind.RESOURCE_POLICY, runtime_policy.none_on_endpoints),
        ],
    ),
)

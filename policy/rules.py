"""The guard rails. Each checks the declared resources, and its message says what is wrong, what breaks, and the fix.

They do not read settings: however the program is edited, the declared resources must still stream and still be
protected. A rule consists of checks, each on the resources of one type; the modules group them by what they protect:
`policy.streaming`, `policy.identity`, `policy.firewall`, `policy.protection`, `policy.permissions`,
`policy.runtime_policy`, `policy.cloudfront`, `policy.buckets`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pulumi_policy.proxy import UnknownValueError

from contract import Kind
from policy import buckets, cloudfront, firewall, identity, permissions, protection, runtime_policy, streaming
from policy.graph import (
    ALL_OF_IAM,
    BUCKET_POLICY,
    PUBLIC_ACCESS_BLOCK,
    WEB_ACL_LOGGING,
    Check,
    Declared,
    Stack,
    is_single_resource,
)

Finding = tuple[Declared, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One guard rail: its name, the invariant it keeps, and its checks, each with the type that it is about."""

    name: str
    description: str
    checks: Sequence[tuple[str, Check]]

    @property
    def single_resource(self) -> Rule:
        """The checks of the rule that need one resource's inputs only."""
        return replace(self, checks=[each for each in self.checks if is_single_resource(each[1])])

    @property
    def multi_resource(self) -> Rule:
        """The checks that need other resources too."""
        return replace(self, checks=[each for each in self.checks if not is_single_resource(each[1])])

    def findings(self, stack: Stack) -> Iterator[Finding]:
        """The resources that violate the rule, each with a message.

        A check that reads an unknown value passes: it runs again when the value is known. A check that fails with any
        other exception is a violation, because an unchecked resource must not pass.
        """
        for type_, check in self.checks:
            for resource in stack.all(type_):
                try:
                    yield from ((resource, message) for message in check(resource, stack))
                except UnknownValueError:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, nothing was checked
                    yield (
                        resource,
                        (
                            f"The rule {self.name} failed with {type(error).__name__} ({error}), so the resource was "
                            f"not checked. Set the property as AWS documents it, or correct {check.__module__}."
                        ),
                    )


RULES: Sequence[Rule] = (
    Rule(
        "stream-to-agentcore",
        "Every integration that calls AgentCore streams.",
        [(Kind.INTEGRATION, streaming.transfer_mode)],
    ),
    Rule(
        "timeout-is-raised",
        "A streaming integration has a timeout above the default of 29 s.",
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
        "No property is declared that STREAM forbids.",
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
        "A named endpoint serves the runtime's version.",
        [
            (Kind.RUNTIME_ENDPOINT, streaming.endpoint_given_a_version),
            (Kind.RUNTIME_ENDPOINT, streaming.endpoint_version),
        ],
    ),
    Rule(
        "id-token-required",
        "Every method but OPTIONS requires an ID token of the user pool, and OPTIONS calls no backend.",
        [
            (Kind.METHOD, identity.methods),
            (Kind.REST_API, identity.methods_declared),
            (Kind.INTEGRATION, identity.preflight),
            (Kind.AUTHORIZER, identity.authorizer_kind),
        ],
    ),
    Rule(
        "app-client-pinned",
        "The gateway accepts tokens of one app client only.",
        [(Kind.AUTHORIZER, identity.client_pinned)],
    ),
    Rule(
        "runtime-agrees",
        "The runtime checks the same pool and client as the gateway.",
        [(Kind.RUNTIME, identity.runtime_checks), (Kind.RUNTIME, identity.runtime_agrees)],
    ),
    Rule(
        "token-reaches-agent",
        "The agent gets the caller's token.",
        [(Kind.INTEGRATION, identity.token_mapped), (Kind.RUNTIME, identity.headers_forwarded)],
    ),
    Rule(
        "session-is-named",
        "The gateway sets the session id, from the source that the agent expects.",
        [(Kind.INTEGRATION, identity.session_mapped), (Kind.MODEL, identity.thread_required)],
    ),
    Rule(
        "public-client",
        "The app client has no secret, and no flow that sends a password.",
        [(Kind.USER_POOL_CLIENT, identity.public_client)],
    ),
    Rule(
        "web-acl-on-stage",
        "Every stage and every CloudFront distribution has a web ACL.",
        [(Kind.STAGE, firewall.has_web_acl), (Kind.DISTRIBUTION, cloudfront.has_web_acl)],
    ),
    Rule(
        "web-acl-refuses",
        "Every web ACL blocks known attacks and floods, and lets no request skip a rule.",
        [
            (Kind.WEB_ACL, firewall.known_attacks),
            (Kind.WEB_ACL, firewall.floods),
            (Kind.WEB_ACL, cloudfront.trusts_cloudfront_alone),
            (Kind.WEB_ACL, firewall.no_short_cut),
        ],
    ),
    Rule(
        "large-bodies-are-seen",
        "A body that WAF cannot inspect as a whole is counted or blocked.",
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
        "Every stage limits the rate of all its methods.",
        [
            (Kind.STAGE, protection.every_method_throttled),
            (Kind.METHOD_SETTINGS, protection.throttle_bounds),
        ],
    ),
    Rule(
        "cloudfront-passes-it-on",
        "CloudFront passes on requests to the API and its responses unchanged and at once.",
        [
            (Kind.DISTRIBUTION, cloudfront.passes_on),
            (Kind.DISTRIBUTION, cloudfront.hides_no_refusal),
            (Kind.DISTRIBUTION, cloudfront.waits_for_heartbeats),
        ],
    ),
    Rule(
        "cloudfront-speaks-tls",
        "CloudFront uses TLS to browsers and to the API.",
        [(Kind.DISTRIBUTION, cloudfront.speaks_tls)],
    ),
    Rule(
        "buckets-are-private",
        "Only principals that its policy names can read a bucket.",
        [
            (Kind.BUCKET, buckets.is_closed),
            (PUBLIC_ACCESS_BLOCK, buckets.closes_every_way),
            (BUCKET_POLICY, buckets.names_its_readers),
            (Kind.DISTRIBUTION, cloudfront.signs_for_the_bucket),
        ],
    ),
    Rule(
        "least-privilege",
        "Every role has named actions and resources, and only an AWS service may assume it.",
        [
            (ALL_OF_IAM, permissions.document),
            (ALL_OF_IAM, permissions.others_objects),
            (ALL_OF_IAM, permissions.attachments),
            (Kind.ROLE, permissions.inline_documents),
            (Kind.ROLE, permissions.trust),
        ],
    ),
    Rule(
        "no-way-round",
        "In production a token alone gives no access to the runtime.",
        [(Kind.RUNTIME, protection.bypass)],
    ),
    Rule(
        "questions-only",
        "Every runtime has one resource policy, which allows invocations; in production it denies shells.",
        [
            (Kind.RUNTIME, runtime_policy.one_policy),
            (Kind.RESOURCE_POLICY, runtime_policy.questions_only),
            (Kind.RESOURCE_POLICY, runtime_policy.none_on_endpoints),
        ],
    ),
)

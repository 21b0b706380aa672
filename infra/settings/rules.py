"""Contradictions between the sections of a stack file, and the rules of a production stack."""

from __future__ import annotations

from collections.abc import Iterator

from infra.settings.agent_environment import environment_contradictions
from infra.settings.base import Contradiction
from infra.settings.denied_actions import SHELLS, covers
from infra.settings.identity import RESERVED
from infra.settings.models import model_contradictions
from infra.settings.patterns import is_on_this_machine
from infra.settings.stack import StackSettings
from infra.settings.website_rules import website_contradictions


def between_sections(config: StackSettings) -> Iterator[Contradiction]:
    """The contradictions between values of different sections."""
    runtime, api = config.runtime, config.api
    if (runtime.bypass_protection == "private") != (config.network is not None):
        yield Contradiction(
            ("network", "runtime.bypassProtection"),
            f"bypassProtection is {runtime.bypass_protection}: private needs a network, and the other values do not "
            "use one",
            "write network with bypassProtection: private, and leave both out otherwise",
        )
    body_limit = config.firewall.body_limit_kb
    # A character of a prompt is one byte of UTF-8 at least.
    if body_limit is not None and runtime.max_prompt_chars > body_limit * 1024:
        yield Contradiction(
            ("runtime.maxPromptChars", "firewall.bodyLimitKb"),
            f"a prompt of {runtime.max_prompt_chars} characters does not fit into a body of {body_limit} KB",
            "lower maxPromptChars, or raise or remove bodyLimitKb",
        )
    if runtime.session_seconds < api.timeout_seconds:
        yield Contradiction(
            ("runtime.sessionSeconds", "api.timeoutSeconds"),
            f"an answer may take {api.timeout_seconds} s, and the microVM that gives it would end earlier",
            f"write {api.timeout_seconds} or more, or lower api.timeoutSeconds",
        )
    yield from _run_times(config)
    yield from environment_contradictions(config)
    yield from _certificate(config)
    yield from _login_domain(config)
    yield from website_contradictions(config)
    for each in model_contradictions(runtime.model, runtime.model_arns, config.region):
        yield each._replace(keys=tuple(key if key == "region" else f"runtime.{key}" for key in each.keys))


def _run_times(config: StackSettings) -> Iterator[Contradiction]:
    """A microVM that AgentCore considers idle must not end while its answer is still being read."""
    runtime, api = config.runtime, config.api
    if runtime.idle_session_seconds < api.timeout_seconds <= runtime.session_seconds:
        yield Contradiction(
            ("runtime.idleSessionSeconds", "api.timeoutSeconds"),
            f"an answer may take {api.timeout_seconds} s, and a microVM that AgentCore deems idle would end earlier",
            f"write {api.timeout_seconds} or more, or lower api.timeoutSeconds",
        )
    written = "detached_seconds" in runtime.model_fields_set
    if written and runtime.run_seconds is None and runtime.detached_seconds > config.run_seconds:
        yield Contradiction(
            ("runtime.detachedSeconds", "runtime.runSeconds", "api.timeoutSeconds"),
            f"without runSeconds a run ends after {config.run_seconds:g} s, whether it is read or not",
            f"write {config.run_seconds:g} or less, or write runSeconds",
        )


def _certificate(config: StackSettings) -> Iterator[Contradiction]:
    """The certificate must be in the API's Region, and for an EDGE API, which is behind CloudFront, in us-east-1
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-custom-domains-prerequisites.html).
    """
    domain = config.api.domain
    if domain is None:
        return
    wanted = "us-east-1" if config.api.endpoint_type == "EDGE" else config.region
    region = domain.certificate_arn.split(":")[3] if domain.certificate_arn else config.region
    if region != wanted:
        yield Contradiction(
            ("api.domain.certificateArn", "api.endpointType", "region"),
            f"with endpointType {config.api.endpoint_type} in {config.region} the certificate has to be in {wanted}",
            f"write the ARN of one in {wanted}",
        )


def _login_domain(config: StackSettings) -> Iterator[Contradiction]:
    """Without a prefix of its own the login domain starts with the stack's name."""
    for word in RESERVED:
        if not config.identity.domain_prefix and word in config.name:
            yield Contradiction(
                ("identity.domainPrefix", "stack", "project"),
                f"it then begins with {config.name}, and Cognito reserves every domain with {word} in it",
                "write a prefix without that word",
            )


def for_production(config: StackSettings) -> Iterator[Contradiction]:
    """The rules that only a production stack must follow.

    Alarms may be off, or without subscribers: a team may watch the metrics, or subscribe to the topic, by other means.
    """
    api, identity, runtime = config.api, config.identity, config.runtime
    refused = (
        ("api.allowedOrigin", api.allowed_origin == "*", "any page could call the API", "write one origin"),
        (
            "api.allowedOrigin",
            api.allowed_origin.startswith("http://"),
            "a page that is served over http could be changed in transit to take the users' tokens",
            "write an https:// origin",
        ),
        (
            "api.allowedOrigin",
            api.allowed_origin.startswith("https://") and is_on_this_machine(api.allowed_origin),
            "any program on a user's machine could serve a page that calls the API",
            "write the origin that users see",
        ),
        (
            "runtime.bypassProtection",
            runtime.bypass_protection == "none",
            "a caller with a token could bypass WAF, throttle and log and call the runtime directly",
            "write origin-secret or private",
        ),
        (
            "runtime.deniedActions",
            not all(covers(runtime.denied_actions, action) for action in SHELLS),
            "the bearer of a token could open a shell in the microVM, which holds the role's credentials",
            f"add {' and '.join(SHELLS)}, or the shorter {SHELLS[0]}*",
        ),
        (
            "runtime.originSecret.required",
            not runtime.origin_secret.required,
            "a caller with a token could bypass WAF, throttle and log and call the runtime directly",
            "write true",
        ),
        (
            "runtime.logPrompts",
            runtime.log_prompts,
            "prompts are personal data and would be in the log",
            "write false",
        ),
        (
            "identity.idTokenMinutes",
            identity.id_token_minutes > 60,
            "an ID token cannot be revoked, so it must expire soon",
            "write 60 or less",
        ),
        (
            "identity.mfa",
            identity.mfa == "none" and identity.self_sign_up,
            "anyone may sign up, and an account could only be protected by a password",
            "write optional or required",
        ),
        (
            "identity.deletionProtection",
            not identity.deletion_protection,
            "a mistake would delete every user's account",
            "write true",
        ),
        ("identity.protect", not identity.protect, "a replaced user pool loses every user's account", "write true"),
        (
            "identity.callbackUrls",
            any(is_on_this_machine(url) for url in identity.callback_urls),  # http:// is allowed for no other host
            "a page on a developer's machine could receive the users' authorization codes",
            "write https:// addresses of other hosts only",
        ),
    )
    for key, wrong, why, instead in refused:
        if wrong:
            yield Contradiction((key,), f"this is a production stack, where {why}", instead)

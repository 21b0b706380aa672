"""Checks that a stack's outputs are complete and consistent with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic.alias_generators import to_camel

from client.outputs import Outputs
from contract import ROUTE

ALWAYS = (
    "region",
    "api_url",
    "invoke_url",
    "user_pool_id",
    "user_pool_client_id",
    "callback_urls",
    "issuer",
    "discovery_url",
    "login_url",
    "runtime_arn",
    "runtime_id",
    "runtime_url",
    "qualifier",
    "web_acl_arn",
    "rest_api_id",
    "stage_name",
    "response_transfer_mode",
    "timeout_seconds",
    "idle_timeout_seconds",
    "heartbeat_seconds",
    "stack_name",
    "bypass_protection",
    "alarms",
)
"""The outputs that __main__.py exports in every stack."""

ADDRESSES = ("api_url", "invoke_url", "issuer", "discovery_url", "login_url", "runtime_url")

DISCOVERY = "/.well-known/openid-configuration"

_DEFAULT_HOST = re.compile(r"([^.]+)\.execute-api\.([^.]+)\.amazonaws\.com")


def problems(outputs: Outputs) -> Iterator[str]:
    """Yield the inconsistencies, one sentence each; stops after missing outputs, and after invalid URLs."""
    missing = [to_camel(name) for name in ALWAYS if _is_missing(outputs, name)]
    if missing:
        yield f"Outputs are missing: {', '.join(missing)}."
        return
    addresses = [*ADDRESSES, *(["endpoint_url"] if outputs.is_local else [])]
    wrong = [f"{to_camel(name)} ({url})" for name in addresses if parsed(url := getattr(outputs, name)) is None]
    if wrong:
        yield f"{', '.join(wrong)} is not a valid URL."
        return
    yield from _user_pool(outputs)
    yield from _runtime(outputs)
    yield from _api(outputs)
    yield from _limits(outputs)


def parsed(url: str) -> SplitResult | None:
    """Return the parts of a valid http or https URL, else None."""
    try:
        parts = urlsplit(url)
        # `port` raises ValueError if it is invalid, and so does idna for a label of more than 63 characters.
        usable = parts.port != 0 and bool((parts.hostname or "").encode("idna"))
    except ValueError:
        return None
    # urlsplit removes newlines and tabs silently.
    return parts if usable and parts.scheme in ("http", "https") and not re.search(r"[\s\x00-\x1f]", url) else None


def account_of(outputs: Outputs) -> str:
    """Return the AWS account in the runtime's ARN; empty when that is not an ARN."""
    parts = outputs.runtime_arn.split(":")
    return parts[4] if len(parts) == 6 else ""


def _is_missing(outputs: Outputs, name: str) -> bool:
    return name not in outputs.model_fields_set or getattr(outputs, name) in ("", None)


def _user_pool(outputs: Outputs) -> Iterator[str]:
    pool, region = outputs.user_pool_id, outputs.region
    if not re.fullmatch(rf"{re.escape(region)}_\w+", pool, re.ASCII):
        yield f"userPoolId ({pool}) is not that of a user pool in {region}."
    if outputs.issuer != f"https://cognito-idp.{region}.amazonaws.com/{pool}":
        yield f"issuer ({outputs.issuer}) is not that of the user pool {pool} in {region}."
    # A local run serves the keys on loopback; its issuer is the same as on AWS.
    wanted = f"/{pool}{DISCOVERY}" if outputs.is_local else f"{outputs.issuer}{DISCOVERY}"
    given = urlsplit(outputs.discovery_url).path if outputs.is_local else outputs.discovery_url
    if given != wanted:
        yield f"discoveryUrl ({outputs.discovery_url}) is not that of the user pool {pool}: it should end in {wanted}."


def _runtime(outputs: Outputs) -> Iterator[str]:
    region, id_ = outputs.region, outputs.runtime_id
    url = urlsplit(outputs.runtime_url)
    if not re.fullmatch(
        rf"arn:aws[a-z-]*:bedrock-agentcore:{re.escape(region)}:\d{{12}}:runtime/{re.escape(id_)}", outputs.runtime_arn
    ):
        yield f"runtimeArn ({outputs.runtime_arn}) is not that of the runtime {id_} in {region}."
    if not re.fullmatch(rf"/runtimes/[^/]+{ROUTE}", url.path):
        yield f"runtimeUrl ({outputs.runtime_url}) does not end in /invocations, and no other path streams."
    elif url.path != f"/runtimes/{id_}{ROUTE}":
        yield f"runtimeUrl ({outputs.runtime_url}) is not that of the runtime {id_}."
    if not outputs.is_local and url.hostname != f"bedrock-agentcore.{region}.amazonaws.com":
        yield f"runtimeUrl ({outputs.runtime_url}) is not in {region}."
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    for name, wanted in (("qualifier", outputs.qualifier), ("accountId", account_of(outputs))):
        if asked.get(name) != wanted:
            yield f"runtimeUrl ({outputs.runtime_url}) lacks {name}={wanted}."


def _api(outputs: Outputs) -> Iterator[str]:
    region, url = outputs.region, urlsplit(outputs.api_url)
    if outputs.invoke_url != outputs.api_url + ROUTE:
        yield f"invokeUrl ({outputs.invoke_url}) is not apiUrl ({outputs.api_url}) followed by /invocations."
    default = _DEFAULT_HOST.fullmatch(url.hostname or "")
    if default and (default[1] != outputs.rest_api_id or default[2] != region):
        yield f"apiUrl ({outputs.api_url}) is not that of the REST API {outputs.rest_api_id} in {region}."
    # With a custom domain the base path mapping selects the stage, so it is not in the URL.
    if (default or outputs.is_local) and url.path != f"/{outputs.stage_name}":
        yield f"apiUrl ({outputs.api_url}) is not that of the stage {outputs.stage_name}."
    if not (outputs.is_local or url.scheme == "https"):
        yield f"invokeUrl ({outputs.invoke_url}) is not https."
    if not re.fullmatch(
        rf"arn:aws[a-z-]*:wafv2:{re.escape(region)}:\d{{12}}:regional/webacl/[^/]+/[^/]+", outputs.web_acl_arn
    ):
        yield f"webAclArn ({outputs.web_acl_arn}) is not that of a regional web ACL in {region}."


def _limits(outputs: Outputs) -> Iterator[str]:
    if outputs.heartbeat_seconds * 2 > outputs.idle_timeout_seconds:
        yield f"heartbeatSeconds ({outputs.heartbeat_seconds:g}) is more than half of idleTimeoutSeconds."

"""Every setting changed on a stack that is up: the engine finds its way, and nothing is lost that users know.

Settings are changed in rounds, each a deployment of the same stack, because most of them touch different resources;
settings that exclude each other are in different rounds.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config import StackConfig
from infra.settings.describe import section_model
from tests.engine.conftest import NewStack
from tests.engine.stacks import EngineStack, structured
from tests.infra.graphs import PROJECT, a_built_page, changed_settings, stack_settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

Settings = dict[str, dict[str, Any]]

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
IDENTITY = {
    "tier": "PLUS",
    "selfSignUp": True,
    "mfa": "required",
    "threatProtection": "audit",
    "passwordLength": 14,
    "passwordHistory": 6,
    "firewall": True,
    "temporaryPasswordDays": 3,
    "idTokenMinutes": 30,
    "refreshTokenDays": 10,
    "refreshTokenRotation": False,
    "rotationGraceSeconds": 10,
    "callbackUrls": ["https://chat.example.com/"],
    "domainPrefix": "another",
    "groups": ["admins"],
    "deletionProtection": True,
}
FIREWALL = {
    "bodyLimitKb": 32,
    "inspectionKb": 32,
    "requestsPerAddress": 700,
    "requestsPerToken": 400,
    "oneTokenSpelling": False,
    "rateWindowSeconds": 120,
    "anonymousAddresses": True,
    "botControl": True,
    "onlyAddresses": ["192.0.2.0/24"],
    "blockedAddresses": ["198.51.100.0/24", "2001:db8::/32"],
    "logPassedRequests": True,
}
API = {
    "strictHost": True,
    "stageName": "other",
    "sessionFrom": "thread",
    "timeoutSeconds": 600,
    "heartbeatSeconds": 5,
    "allowedOrigin": "https://chat.example.com",
    "agentSendsCors": False,
    "allowedHeaders": ["X-Request-Id"],
    "authorizerCacheSeconds": 60,
    "throttleRate": 30,
    "throttleBurst": 50,
    "invocationRate": 20,
    "invocationBurst": 30,
    "teams": {"sales": {}},
    "domain": {"name": "agent.example.com", "hostedZoneId": "Z0123456789"},
    "accountLogRole": True,
    "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09",
}
RUNS = {
    "runSeconds": 1200,
    "detachedSeconds": 60,
    "keepSeconds": 60,
    "whenBusy": "queue",
    "callerHistory": "use",
    "toolErrors": "run",
    "guardrailStream": "async",
    "mediaHosts": ["images.example.com"],
    "keepMedia": "keep",
    "maxBodyBytes": 1_000_000,
    "maxPromptChars": 10_000,
    "maxMessages": 100,
}
RUNTIME = {
    "environment": {"TEAM": "sales"},
    "secrets": {"CRM_KEY": "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:crm-abc123"},
    "statements": [{"actions": ["dynamodb:GetItem"], "resources": ["arn:aws:dynamodb:us-east-1:ACCOUNT:table/orders"]}],
    "model": f"bedrock:{SONNET}",
    "modelArns": [f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"],
    "alsoModelArns": ["arn:aws:bedrock:us-east-1::foundation-model/another"],
    "guardrailId": "abc",
    "guardrailVersion": "1",
    "maxTokens": 1000,
    "customerKey": True,
    "checkTokenUse": False,
    "deniedActions": ["InvokeAgentRuntimeCommand*"],
    "originSecret": {"sent": 1, "alsoAccepted": 2},
    "idleSessionSeconds": 1000,
    "sessionSeconds": 3600,
    "platformVersion": "V2",
    "endpointName": "live",
    "memoryDays": 7,
    "telemetry": True,
    "logPrompts": True,
    "declareLogGroups": False,
    "permissionsBoundary": "arn:aws:iam::ACCOUNT:policy/boundary",
}
OBSERVABILITY = {
    "logRetentionDays": 14,
    "tracing": False,
    "dashboard": False,
    "alarms": True,
    "subscribers": ["team@example.com"],
    "errorPercent": 10,
    "firstContentMilliseconds": 5000,
    "blockedRequests": 50,
    "authorizerFailures": 60,
    "runtimeThrottles": 2,
}
WEBSITE = {
    "domain": "chat.example.com",
    "hostedZoneId": "Z0123456789",
    "certificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/0123-abc",
    "securityPolicy": "TLSv1.2_2025",
    "responseTimeoutSeconds": 30,
    "priceClass": "PriceClass_100",
    "inspector": True,
    "secret": {"sent": 1, "alsoAccepted": 2},
}
ROUNDS: list[Settings] = [
    {"identity": IDENTITY, "firewall": FIREWALL, "api": API, "observability": OBSERVABILITY},
    {"runtime": {**RUNS, **RUNTIME}, "website": WEBSITE},
    {
        "runtime": {
            "artifact": "container",
            "bypassProtection": "private",
            "network": "VPC",
            "subnetIds": ["subnet-01234567"],
            "securityGroupIds": ["sg-01234567"],
        },
        "network": {"cidr": "10.0.0.0/24", "zones": ["b", "c"]},
    },
    {
        "identity": {"protect": True},  # last, for it would keep what another round takes away
        "api": {"endpointType": "PRIVATE", "vpcEndpointIds": ["vpce-0123456789abcdef0"]},
        "runtime": {
            "model": "openai:small",
            "openaiBaseUrl": "https://model.example.com/v1",
            "secrets": {"OPENAI_API_KEY": "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:key-abc123"},
        },
    },
]
"""Each adds to the ones before it."""

TAKEN_BACK: dict[int, Settings] = {
    1: {"api": {"teams": None, "securityPolicy": None}},
    2: {"api": {"strictHost": None}, "website": {}},
    3: {"api": {"domain": None}, "runtime": {"guardrailId": None, "guardrailVersion": None, "modelArns": []}},
}
"""What a round takes back of what the rounds before it changed: a key by None, a section by nothing in it."""

ONE_VALUE = {("api", "responseTransferMode")}
"""Settings with a single value: the others are refused."""

KNOWN_TO_USERS = ("UserPool", "UserPoolClient", "RestApi")
"""What pages and callers name: their ids outlive every change."""


def all_settings() -> set[tuple[str, str]]:
    return {
        (str(section.alias), str(field.alias))
        for section in StackConfig.model_fields.values()
        for model in [section_model(section.annotation)]
        if model is not None
        for field in model.model_fields.values()
    }


def test_no_setting_is_left_out() -> None:
    changed = {(section, key) for each in ROUNDS for section, values in each.items() for key in values}
    assert changed == all_settings() - ONE_VALUE


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_every_value_is_another_than_the_stacks_own(number: int) -> None:
    settings = stack_settings("dev")
    for section, values in ROUNDS[number].items():
        model = next(
            section_model(each.annotation) for each in StackConfig.model_fields.values() if each.alias == section
        )
        assert model is not None
        written = json.loads(settings.get(f"{PROJECT}:{section}", "{}"))
        before = {str(each.alias): written.get(str(each.alias), each.default) for each in model.model_fields.values()}
        assert [key for key, value in values.items() if before[key] == value] == []


def known_to_users(stack: EngineStack) -> dict[str, list[str]]:
    return {kind: [id_ for type_, id_ in stack.cloud.existing if type_.endswith(f":{kind}")] for kind in KNOWN_TO_USERS}


def test_after_each_round_nothing_is_left_to_do_and_what_users_know_is_still_there(deployed: NewStack) -> None:
    stack = deployed("dev")
    known = known_to_users(stack)
    settings: Settings = {}
    with a_built_page():
        change_by_rounds(stack, settings, known)


def change_by_rounds(stack: EngineStack, settings: Settings, known: dict[str, list[str]]) -> None:
    for number, changes in enumerate(ROUNDS):
        for section in StackConfig.model_fields:
            back = TAKEN_BACK.get(number, {}).get(section)
            settings[section] = settings.get(section, {}) | changes.get(section, {}) | (back or {})
            if back == {} or not settings[section]:
                del settings[section]
        stack.configure(structured(changed_settings("dev", settings)))
        assert stack.up()
        assert stack.preview() == {}
        assert known_to_users(stack) == known
        for each in stack.cloud.all("Stage"):
            guarded = [one for one in stack.cloud.all("WebAclAssociation") if one["resourceArn"] == each["arn"]]
            assert len(guarded) == 1, f"the stage {each['stageName']} has {len(guarded)} web ACLs"

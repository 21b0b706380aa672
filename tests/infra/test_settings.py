"""The settings: what is refused, how it is said, and that everything wrong is said at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import IDLE_LIMIT_SECONDS
from infra.config import SettingsError, StackConfig
from infra.settings.api import EndpointType
from infra.settings.describe import section_model
from tests.infra.graphs import ENVIRONMENTS, PROJECT, WEBSITE, changed_settings, stack_settings
from tools.reference import PAGE, render

AN_ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/abc"
A_SECRET = "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:weather-a1B2c3"
A_TABLE = "arn:aws:dynamodb:us-east-1:ACCOUNT:table/notes"
OPENAI: dict[str, Any] = {"model": "openai:deepseek-chat", "modelArns": [], "secrets": {"OPENAI_API_KEY": A_SECRET}}
PRIVATE: dict[str, Any] = {"bypassProtection": "private"}
SECTIONS = ("identity", "firewall", "api", "runtime", "observability", "network", "website")


def problems_of(stack: str, settings: Mapping[str, str], *, secret: Collection[str] = ()) -> list[str]:
    try:
        StackConfig.parse(PROJECT, stack, settings, secret=secret)
    except SettingsError as error:
        return error.problems
    return []


def problems(stack: str = "dev", **changes: Mapping[str, Any]) -> list[str]:
    return problems_of(stack, changed_settings(stack, changes))


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_every_environment_is_accepted_as_it_stands(stack: str) -> None:
    assert problems(stack) == []


def test_a_number_that_yaml_read_is_taken_where_a_text_of_digits_may_stand() -> None:
    assert problems(runtime={"guardrailId": "abc", "guardrailVersion": 1}) == []


class TestEachProblemIsASentence:
    REFUSED: tuple[tuple[str, dict[str, dict[str, Any]], str, str], ...] = (
        ("dev", {"api": {"heartbeatSeconds": 200}}, "api.heartbeatSeconds", "write 150 or less"),
        ("dev", {"api": {"timeoutSeconds": 901}}, "api.timeoutSeconds", "from 30 to 900"),
        ("dev", {"api": {"responseTransferMode": "BUFFERED"}}, "api.responseTransferMode", "nothing until"),
        ("dev", {"api": {"timeoutSeconds": 29}}, "api.timeoutSeconds", "from 30 to 900"),
        ("dev", {"api": {"allowedOrigin": "https://a.example/"}}, "api.allowedOrigin", "write https://a.example."),
        ("dev", {"api": {"securityPolicy": "SecurityPolicy_TLS13_2025_EDGE"}}, "api.securityPolicy", "REGIONAL"),
        ("dev", {"api": {"endpointType": "PRIVATE"}}, "api.vpcEndpointIds", "VPC endpoints"),
        ("dev", {"api": {"vpcEndpointIds": ["vpc-1"]}}, "api.vpcEndpointIds[0]", "vpce-"),
        ("dev", {"api": {"teams": {"ops": {"rate": 11}}}}, "api.teams.ops.rate", "10 or less"),
        ("dev", {"api": {"teams": {"ops": {"burst": 21}}}}, "api.teams.ops.burst", "20 or less"),
        ("dev", {"api": {"teams": {"Ops Team": {}}}}, "api.teams.Ops Team", "lower-case"),
        ("dev", {"api": {"teams": {"ops": {"rat": 5}}}}, "api.teams.ops.rat", "did you mean rate?"),
        ("dev", {"api": {"allowedOrigin": "https://Chat.example.com"}}, "api.allowedOrigin", "chat.example.com"),
        ("dev", {"api": {"allowedOrigin": "https://a.example:443"}}, "api.allowedOrigin", "write https://a.example"),
        ("dev", {"api": {"allowedOrigin": "http://localhost:99999"}}, "api.allowedOrigin", "not a web address"),
        ("dev", {"api": {"allowedOrigin": "https://a'b.example"}}, "api.allowedOrigin", "no browser"),
        ("dev", {"api": {"domain": {"name": "a.example.com"}}}, "api.domain.certificateArn", "hostedZoneId"),
        (
            "dev",
            {"api": {"domain": {"name": "a.example.com", "certificateArn": AN_ARN}}},
            "api.domain.certificateArn",
            "one in us-east-1",
        ),
        ("dev", {"api": {"stageName": "my-stage"}}, "api.stageName", "letters, digits and underscores"),
        ("dev", {"identity": {"idTokenMinutes": 4}}, "identity.idTokenMinutes", "5"),
        ("dev", {"identity": {"idTokenMinutes": 1441}}, "identity.idTokenMinutes", "1440"),
        ("dev", {"identity": {"tier": "LITE"}}, "identity.tier", "managed login"),
        ("dev", {"identity": {"threatProtection": "audit"}}, "identity.threatProtection", "PLUS"),
        ("dev", {"identity": {"callbackUrls": ["http://a.example/"]}}, "identity.callbackUrls[0]", "https"),
        ("dev", {"identity": {"callbackUrls": ["https://"]}}, "identity.callbackUrls[0]", "not a web address"),
        ("dev", {"identity": {"callbackUrls": ["https://a.example/#x"]}}, "identity.callbackUrls[0]", "a #"),
        ("dev", {"identity": {"callbackUrls": ["https://a.example/b c"]}}, "identity.callbackUrls[0]", "b%20c"),
        ("dev", {"identity": {"callbackUrls": ["https://*.a.example/"]}}, "identity.callbackUrls[0]", "a *"),
        ("dev", {"identity": {"callbackUrls": ["https://a.example/"] * 2}}, "identity.callbackUrls", "once"),
        ("dev", {"identity": {"groups": ["a", "a"]}}, "identity.groups", "once"),
        ("dev", {"identity": {"domainPrefix": "my-cognito"}}, "identity.domainPrefix", "reserves"),
        ("dev", {"identity": {"groups": ["a b"]}}, "identity.groups[0]", "claim"),
        ("dev", {"firewall": {"bodyLimitKb": 65}}, "firewall.bodyLimitKb", "from 1 to 64"),
        ("dev", {"firewall": {"inspectionKb": 16, "bodyLimitKb": 32}}, "firewall.bodyLimitKb", "16 or less"),
        ("dev", {"firewall": {"onlyAddresses": ["1.2.3.4/33"]}}, "firewall.onlyAddresses[0]", "192.0.2.0/24"),
        ("dev", {"firewall": {"blockedAddresses": ["0.0.0.0/0"]}}, "firewall.blockedAddresses[0]", "all addresses"),
        ("dev", {"runtime": {"idleSessionSeconds": 59}}, "runtime.idleSessionSeconds", "60"),
        ("dev", {"runtime": {"sessionSeconds": 1_209_601}}, "runtime.sessionSeconds", "1209600"),
        ("dev", {"runtime": {"idleSessionSeconds": 999, "sessionSeconds": 900}}, "runtime.idleSessionSeconds", "900"),
        ("dev", {"runtime": {"idleSessionSeconds": 60, "sessionSeconds": 60}}, "runtime.sessionSeconds", "900 or more"),
        ("dev", {"runtime": {"model": "bedrock:other.model"}}, "runtime.modelArns", "other.model"),
        ("dev", {"runtime": {"modelArns": ["*"]}}, "runtime.modelArns[0]", "without *"),
        ("dev", {"runtime": {"modelArns": None}}, "runtime.modelArns", "add arn:aws:bedrock:us-east-1:ACCOUNT"),
        ("dev", {"runtime": {"idleSessionSeconds": 899}}, "runtime.idleSessionSeconds", "900 or more"),
        ("dev", {"runtime": {"runSeconds": 28_800}}, "runtime.runSeconds", "28799 or less"),
        ("dev", {"runtime": {"runSeconds": 60, "detachedSeconds": 61}}, "runtime.detachedSeconds", "60 or less"),
        ("dev", {"runtime": {"detachedSeconds": 871}}, "runtime.detachedSeconds", "870 or less, or write runSeconds"),
        ("dev", {"runtime": {"keepSeconds": 901}}, "runtime.keepSeconds", "900 or less"),
        ("dev", {"runtime": {"maxBodyBytes": 10_485_761}}, "runtime.maxBodyBytes", "10485760"),
        ("dev", {"runtime": {"mediaHosts": ["10.0.0.1"]}}, "runtime.mediaHosts[0]", "named public hosts"),
        ("dev", {"runtime": {"environment": {"AGENT_X": "1"}}}, "runtime.environment.AGENT_X", "of your own"),
        ("dev", {"runtime": {"environment": {"PYTHONPATH": "/x"}}}, "runtime.environment.PYTHONPATH", "of your own"),
        ("dev", {"runtime": {"environment": {"X_API_KEY": "s"}}}, "runtime.environment.X_API_KEY", "runtime.secrets"),
        ("dev", {"runtime": {"environment": {"A": True}}}, "runtime.environment.A", "not text"),
        (
            "dev",
            {"runtime": {"environment": {"A": "x" * 1000, "B": "x" * 1000, "C": "x" * 1000, "D": "x" * 1000}}},
            "runtime.environment",
            "allows 4096",
        ),
        (
            "dev",
            {"runtime": {"platformVersion": "V2", "environment": {"A": "x" * 1000}}},
            "runtime.environment",
            "allows 1536",
        ),
        ("dev", {"runtime": {"secrets": {"AWS_KEY": A_SECRET}}}, "runtime.secrets.AWS_KEY", "of your own"),
        ("dev", {"runtime": {"secrets": {"A": A_SECRET.removesuffix("-a1B2c3")}}}, "runtime.secrets.A", "whole ARN"),
        (
            "dev",
            {"runtime": {"secrets": {"A": A_SECRET.replace("us-east-1", "eu-west-1")}}},
            "runtime.secrets.A",
            "replicate",
        ),
        ("dev", {"runtime": {"secrets": {"A": A_SECRET}, "environment": {"A": "1"}}}, "runtime.environment", "twice"),
        ("dev", {"runtime": {"model": "openai:deepseek-chat"}}, "runtime.secrets", "OPENAI_API_KEY"),
        ("dev", {"runtime": {"openaiBaseUrl": "https://api.example.com/v1"}}, "runtime.openaiBaseUrl", "openai:MODEL"),
        (
            "dev",
            {"runtime": {**OPENAI, "openaiBaseUrl": "http://api.example.com/v1"}},
            "runtime.openaiBaseUrl",
            "an https://",
        ),
        (
            "dev",
            {"runtime": {**OPENAI, "guardrailId": "abc", "guardrailVersion": 1}},
            "runtime.guardrailId",
            "bedrock:",
        ),
        (
            "dev",
            {"runtime": {"statements": [{"actions": ["s3:*"], "resources": [A_TABLE]}]}},
            "runtime.statements[0].actions[0]",
            "without *",
        ),
        (
            "dev",
            {"runtime": {"statements": [{"actions": ["iam:PassRole"], "resources": [A_TABLE]}]}},
            "runtime.statements[0].actions[0]",
            "deploys the stack",
        ),
        (
            "dev",
            {"runtime": {"statements": [{"actions": ["s3:GetObject"], "resources": ["*"]}]}},
            "runtime.statements[0].resources[0]",
            "the ARN",
        ),
        (
            "dev",
            {"runtime": {"statements": [{"actions": ["s3:GetObject"]}]}},
            "runtime.statements[0].resources",
            "missing",
        ),
        (
            "dev",
            {
                "runtime": {
                    "statements": [
                        {"actions": ["s3:GetObject"], "resources": [A_TABLE + "x" * n]} for n in range(700, 709)
                    ]
                }
            },
            "runtime.statements",
            "6000 characters",
        ),
        ("dev", {"api": {"sessionFrom": "cookie"}}, "api.sessionFrom", "user, thread or header"),
        (
            "dev",
            {"runtime": {"endpointName": "my-endpoint"}},
            "runtime.endpointName",
            "letters, digits and underscores",
        ),
        ("dev", {"runtime": {"endpointName": "DEFAULT"}}, "runtime.endpointName", "another name"),
        ("dev", {"runtime": {"guardrailId": "abc"}}, "runtime.guardrailVersion", "both"),
        ("dev", {"runtime": {"network": "VPC"}}, "runtime.network", "subnetIds"),
        ("dev", {"runtime": {"subnetIds": ["subnet-01234567"]}}, "runtime.network", "PUBLIC"),
        ("dev", {"runtime": {"subnetIds": ["subnet-1"]}}, "runtime.subnetIds[0]", "subnet-0123456789abcdef0"),
        ("dev", {"runtime": {"securityGroupIds": ["bar"]}}, "runtime.securityGroupIds[0]", "sg-0123456789abcdef0"),
        ("dev", {"runtime": {"memoryDays": 6}}, "runtime.memoryDays", "7 or more"),
        (
            "dev",
            {"runtime": {"originSecret": {"sent": 1, "alsoAccepted": 1}}},
            "runtime.originSecret.alsoAccepted",
            "1",
        ),
        ("dev", {"runtime": {"bypassProtection": "private"}}, "network", "needs a network"),
        (
            "dev",
            {"runtime": {"maxPromptChars": 60_000}, "firewall": {"bodyLimitKb": 48}},
            "runtime.maxPromptChars",
            "48",
        ),
        ("dev", {"network": {}}, "network", "do not use one"),
        ("dev", {"network": {"cidr": "10.0.0.0/8"}, "runtime": PRIVATE}, "network.cidr", "/16"),
        ("dev", {"network": {"cidr": "127.0.0.0/24"}, "runtime": PRIVATE}, "network.cidr", "192.168.0.0/16"),
        ("dev", {"network": {"cidr": "169.254.0.0/16"}, "runtime": PRIVATE}, "network.cidr", "192.168.0.0/16"),
        ("dev", {"network": {"zones": ["a", "ä"]}, "runtime": PRIVATE}, "network.zones[1]", "letter"),
        ("dev", {"observability": {"logRetentionDays": 8}}, "observability.logRetentionDays", "7"),
        ("dev", {"observability": {"subscribers": ["nobody"]}}, "observability.subscribers[0]", "e-mail"),
        ("dev", {"observability": {"subscribers": ["@"]}}, "observability.subscribers[0]", "e-mail"),
        ("dev", {"observability": {"subscribers": ["https://"]}}, "observability.subscribers[0]", "not a web address"),
        ("dev", {"observability": {"subscribers": ["a@b.example"]}}, "observability.subscribers", "alarms: true"),
        ("prod", {"api": {"allowedOrigin": "*"}}, "api.allowedOrigin", "one origin"),
        ("prod", {"api": {"allowedOrigin": "http://a.example"}}, "api.allowedOrigin", "an https:// origin"),
        ("prod", {"identity": {"mfa": "none", "selfSignUp": True}}, "identity.mfa", "optional or required"),
        ("prod", {"runtime": {"bypassProtection": "none"}}, "runtime.bypassProtection", "origin-secret"),
        ("prod", {"runtime": {"logPrompts": True}}, "runtime.logPrompts", "personal"),
        ("prod", {"identity": {"idTokenMinutes": 61}}, "identity.idTokenMinutes", "60 or less"),
        ("prod", {"identity": {"deletionProtection": False}}, "identity.deletionProtection", "write true"),
        ("prod", {"identity": {"protect": False}}, "identity.protect", "write true"),
        ("prod", {"identity": {"callbackUrls": ["http://localhost:5173/"]}}, "identity.callbackUrls", "https"),
        ("prod", {"identity": {"callbackUrls": ["https://localhost/"]}}, "identity.callbackUrls", "other hosts"),
        ("prod", {"identity": {"callbackUrls": ["https://chat.localhost./"]}}, "identity.callbackUrls", "other hosts"),
        ("prod", {"identity": {"callbackUrls": ["https://127.0.0.2:8443/"]}}, "identity.callbackUrls", "other hosts"),
        ("prod", {"identity": {"callbackUrls": ["https://[::1]/"]}}, "identity.callbackUrls", "other hosts"),
        ("prod", {"api": {"allowedOrigin": "https://localhost:5173"}}, "api.allowedOrigin", "that users see"),
        ("prod", {"api": {"allowedOrigin": "https://127.0.0.1"}}, "api.allowedOrigin", "that users see"),
    )

    @pytest.mark.parametrize(("stack", "changes", "key", "said"), REFUSED)
    def test_names_the_key_and_what_to_write(
        self, stack: str, changes: dict[str, dict[str, Any]], key: str, said: str
    ) -> None:
        found = problems(stack, **changes)
        assert len(found) == 1, found
        assert found[0].startswith(f"{PROJECT}:{key} ")
        assert said in found[0]
        assert found[0].endswith((".", "?"))


EDGE_POLICY = "SecurityPolicy_TLS13_2025_EDGE"


class TestEverythingIsSaidAtOnce:
    def test_problems_of_all_sections_come_together(self) -> None:
        found = problems(
            "prod",
            identity={"idTokenMinutes": 1, "protect": False},
            api={"heartbeatSeconds": 299, "timeoutSecond": 60, "allowedOrigin": "*"},
            runtime={"modelArns": ["*"], "memoryDays": 1},
            firewall={"bodyLimitKb": 100},
        )
        keys = {sentence.split()[0].removeprefix(f"{PROJECT}:") for sentence in found}
        assert keys == {
            "identity.idTokenMinutes",
            "identity.protect",
            "api.heartbeatSeconds",
            "api.timeoutSecond",
            "api.allowedOrigin",
            "runtime.modelArns[0]",
            "runtime.memoryDays",
            "firewall.bodyLimitKb",
        }

    def test_a_wrong_value_causes_no_contradiction_with_its_default(self) -> None:
        found = problems(api={"heartbeatSeconds": "long", "endpointType": "EDGE", "securityPolicy": EDGE_POLICY})
        assert len(found) == 1
        assert "heartbeatSeconds" in found[0]

    def test_nothing_at_all_is_asked_for_key_by_key(self) -> None:
        with pytest.raises(SettingsError) as refused:
            StackConfig.parse(PROJECT, "dev", {})
        assert [sentence.split()[0] for sentence in refused.value.problems] == [
            "aws:region",
            f"{PROJECT}:owner",
            f"{PROJECT}:runtime",
        ]


class TestUnknownKeys:
    @pytest.mark.parametrize("section", SECTIONS)
    def test_a_slip_is_answered_with_the_nearest_key(self, section: str) -> None:
        model = section_model(StackConfig.model_fields[section].annotation)
        assert model is not None
        beside: dict[str, dict[str, Any]] = {
            "network": {"runtime": {"bypassProtection": "private"}},
            "website": {"identity": WEBSITE["identity"]},
        }.get(section, {})
        needed = WEBSITE.get(section, {}) if section == "website" else {}
        for known in (str(each.alias) for each in model.model_fields.values()):
            slip = known[:-1] + known[-1] * 2
            changes: dict[str, dict[str, Any]] = {**beside, section: {**needed, slip: 1}}
            assert problems("dev", **changes) == [f"{PROJECT}:{section}.{slip} is not a setting; did you mean {known}?"]

    def test_a_section_that_does_not_exist(self) -> None:
        settings = {**stack_settings("dev"), f"{PROJECT}:firewal": "{}"}
        with pytest.raises(SettingsError) as refused:
            StackConfig.parse(PROJECT, "dev", settings)
        assert refused.value.problems == [f"{PROJECT}:firewal is not a setting; did you mean firewall?"]

    def test_keys_of_other_packages_are_none_of_our_business(self) -> None:
        settings = {**stack_settings("dev"), "aws:skipCredentialsValidation": "true"}
        assert StackConfig.parse(PROJECT, "dev", settings)


class TestLimitsOfStreaming:
    @given(endpoint=st.sampled_from(sorted(IDLE_LIMIT_SECONDS)), seconds=st.floats(0.1, 1000))
    def test_heartbeat_is_accepted_exactly_when_two_fit_into_the_idle_limit(
        self, endpoint: EndpointType, seconds: float
    ) -> None:
        extra: dict[str, dict[str, Any]] = {
            "EDGE": {"securityPolicy": "SecurityPolicy_TLS13_2025_EDGE"},
            "PRIVATE": {"vpcEndpointIds": ["vpce-0123456789abcdef0"]},
        }
        api = {"endpointType": endpoint, "heartbeatSeconds": seconds, **extra.get(endpoint, {})}
        assert (problems(api=api) == []) == (2 * seconds <= IDLE_LIMIT_SECONDS[endpoint])

    @given(mode=st.sampled_from(["STREAM", "BUFFERED"]), seconds=st.integers(-10, 1000))
    def test_only_a_stream_of_more_than_the_default_29_s_and_up_to_900_is_accepted(
        self, mode: str, seconds: int
    ) -> None:
        api = {"responseTransferMode": mode, "timeoutSeconds": seconds}
        assert (problems(api=api) == []) == (mode == "STREAM" and 30 <= seconds <= 900)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


@given(section=st.sampled_from([*SECTIONS, "owner", "environment"]), value=json_values)
def test_whatever_stands_there_is_answered_in_sentences(section: str, value: Any) -> None:
    settings = {**stack_settings("dev"), f"{PROJECT}:{section}": json.dumps(value)}
    found = problems_of("dev", settings)
    assert all(text.startswith(f"{PROJECT}:") and text.endswith((".", "?")) for text in found)


class TestTheReferencePage:
    def test_is_current(self) -> None:
        assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m tools.reference`"

    def test_describes_every_key(self) -> None:
        rows = [line.split(" | ") for line in render().splitlines() if line.startswith("| `")]
        assert len(rows) > 60
        for row in rows:
            assert row[1].endswith("."), row[0]
            assert row[3].strip(" |"), row[0]

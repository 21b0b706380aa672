"""The runtime's resource policy: who may ask, by which way, and that nothing else is open to a token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config import SettingsError, StackConfig
from infra.settings.denied_actions import OTHER_OPERATIONS, SHELLS
from local.program import engine
from local.program.evaluate import evaluate
from local.program.graph import Graph
from local.program.provider import MockProvider
from tests.infra.graphs import PROJECT, changed_settings, environment_graph, variation, waits_for

POLICY = "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"
RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
MODES: dict[str, dict[str, dict[str, Any]]] = {"none": {}, "origin-secret": {}, "private": {"network": {}}}


def mode(name: str) -> Graph:
    return variation("dev", runtime={"bypassProtection": name}, **MODES[name])


def by_sid(graph: Graph) -> dict[str, dict[str, Any]]:
    document = json.loads(graph.one(POLICY).inputs["policy"])
    return {each["Sid"]: each for each in document["Statement"]}


class TestEveryMode:
    @pytest.mark.parametrize("name", MODES)
    def test_the_runtime_has_one_policy_of_its_own_arn(self, name: str) -> None:
        graph = mode(name)
        arn = graph.one(RUNTIME).outputs["agentRuntimeArn"]
        assert graph.one(POLICY).inputs["resourceArn"] == arn
        for each in by_sid(graph).values():
            assert (each["Principal"], each["Resource"]) == ("*", arn)

    @pytest.mark.parametrize("name", MODES)
    def test_whoever_holds_a_token_may_ask_and_do_nothing_else(self, name: str) -> None:
        statements = by_sid(mode(name))
        allowed = [each["Action"] for each in statements.values() if each["Effect"] == "Allow"]
        assert allowed == [["bedrock-agentcore:InvokeAgentRuntime"]]
        denied = statements["NothingButQuestions"]
        assert denied["Effect"] == "Deny"
        assert "Condition" not in denied
        everything = {f"bedrock-agentcore:{name}" for name in OTHER_OPERATIONS}
        assert {*denied["Action"], *statements["OnlyTheAccountStops"]["Action"]} == everything

    def test_the_accounts_own_administrators_may_end_a_session(self) -> None:
        graph = environment_graph("prod")
        account = graph.one(RUNTIME).outputs["agentRuntimeArn"].split(":")[4]
        stopping = by_sid(graph)["OnlyTheAccountStops"]
        assert stopping["Action"] == ["bedrock-agentcore:StopRuntimeSession"]
        assert stopping["Condition"] == {"StringNotEquals": {"aws:PrincipalAccount": account}}


class TestOrder:
    def test_private_refuses_once_the_api_takes_the_private_way(self) -> None:
        graph = mode("private")
        (stage,) = graph.all("aws:apigateway/stage:Stage")
        assert stage.urn in waits_for(graph, graph.one(POLICY))

    @pytest.mark.parametrize("name", ["none", "origin-secret"])
    def test_without_a_private_way_nothing_waits_for_the_api(self, name: str) -> None:
        graph = mode(name)
        (stage,) = graph.all("aws:apigateway/stage:Stage")
        assert stage.urn not in waits_for(graph, graph.one(POLICY))


class TestPrivate:
    def test_a_request_that_says_nothing_of_its_way_is_refused_too(self) -> None:
        graph = mode("private")
        endpoint = graph.one("aws:ec2/vpcEndpoint:VpcEndpoint").id
        statements = by_sid(graph)
        assert statements["Questions"]["Condition"] == {"StringEquals": {"aws:SourceVpce": endpoint}}
        assert statements["NoOtherWay"]["Condition"] == {
            "StringNotEquals": {"aws:SourceVpce": endpoint},
            "BoolIfExists": {"aws:ViaAWSService": "false"},
        }

    @pytest.mark.parametrize("name", ["none", "origin-secret"])
    def test_no_other_mode_asks_by_which_way(self, name: str) -> None:
        statements = by_sid(mode(name))
        assert "Condition" not in statements["Questions"]
        assert "NoOtherWay" not in statements


def test_a_stack_that_has_the_policy_under_its_old_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made under a new name and then deleted under the old one, the runtime would be left without any."""
    aliases: list[str] = []
    register = engine._Recorder.RegisterResource

    def seen(self: engine._Recorder, request: Any) -> Any:
        if request.type == POLICY:
            aliases.extend(each.spec.name for each in request.aliases)
        return register(self, request)

    monkeypatch.setattr(engine._Recorder, "RegisterResource", seen)
    evaluate("dev", MockProvider())
    assert aliases == [f"{PROJECT}-dev-only-privately"]


class TestSetting:
    @pytest.mark.parametrize("names", [[], ["StopRuntimeSession"], ["InvokeAgentRuntimeCommand*"], list(SHELLS)])
    def test_only_what_is_named_is_denied(self, names: list[str]) -> None:
        graph = variation("dev", runtime={"deniedActions": names})
        denied = [
            action.removeprefix("bedrock-agentcore:")
            for each in by_sid(graph).values()
            if each["Effect"] == "Deny"
            for action in each["Action"]
        ]
        assert sorted(denied) == sorted(names)

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["InvokeAgentRuntime"], "every request would be refused"),
            (["Invoke*"], "every request would be refused"),
            (["*"], "every request would be refused"),
            (["DeleteResourcePolicy"], "lock the administrators out"),
            (["UpdateAgentRuntime"], "lock the administrators out"),
        ],
    )
    def test_a_name_that_would_refuse_too_much_is_refused(self, names: list[str], words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            parse("dev", names)

    @pytest.mark.parametrize("names", [[], ["InvokeAgentRuntimeCommand"], ["StopRuntimeSession"]])
    def test_production_denies_commands_and_shells(self, names: list[str]) -> None:
        with pytest.raises(SettingsError, match="shell in the microVM"):
            parse("prod", names)
        parse("dev", names)

    def test_a_pattern_covers_both(self) -> None:
        parse("prod", ["InvokeAgentRuntimeCommand*"])


def parse(stack: str, names: list[str]) -> StackConfig:
    return StackConfig.parse(PROJECT, stack, changed_settings(stack, {"runtime": {"deniedActions": names}}))

"""What the agent is told of the settings, and what its role is granted for the author's own code."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from agent.settings import Settings as AgentSettings
from contract import AGENT_DEFAULTS
from infra.config import StackConfig
from local.processes.agent_process import agent_environment as local_environment
from local.program.graph import Graph
from tests.infra.graphs import PROJECT, changed_settings, role_statements, variation

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
SECRET = "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:weather-a1B2c3"
PARAMETER = "arn:aws:ssm:us-east-1:ACCOUNT:parameter/team/weather"

# Each key at a value that is not its default, with the variable that says so.
TOLD: tuple[tuple[str, str, Any, str, str], ...] = (
    ("api", "sessionFrom", "thread", "AGENT_SESSION_FROM", "thread"),
    ("api", "timeoutSeconds", 600, "AGENT_CONNECTION_SECONDS", "600"),
    ("runtime", "runSeconds", 1800, "AGENT_RUN_SECONDS", "1800"),
    ("runtime", "detachedSeconds", 0, "AGENT_DETACHED_SECONDS", "0"),
    ("runtime", "keepSeconds", 60, "AGENT_KEEP_SECONDS", "60"),
    ("runtime", "whenBusy", "reject", "AGENT_WHEN_BUSY", "reject"),
    ("runtime", "callerHistory", "use", "AGENT_CALLER_HISTORY", "use"),
    ("runtime", "mediaHosts", ["a.example.com", "b.example.com"], "AGENT_MEDIA_HOSTS", "a.example.com,b.example.com"),
    ("runtime", "keepMedia", "keep", "AGENT_KEEP_MEDIA", "keep"),
    ("runtime", "toolErrors", "run", "AGENT_TOOL_ERRORS", "run"),
    ("runtime", "maxBodyBytes", 65536, "AGENT_MAX_BODY_BYTES", "65536"),
    ("runtime", "guardrailStream", "async", "AGENT_GUARDRAIL_STREAM", "async"),
)


def variables(graph: Graph) -> dict[str, str]:
    return dict(graph.one(RUNTIME).inputs["environmentVariables"])


@pytest.mark.parametrize(("section", "key", "value", "variable", "said"), TOLD, ids=[each[1] for each in TOLD])
def test_the_agent_is_told(section: str, key: str, value: Any, variable: str, said: str) -> None:
    settings = changed_settings("dev", {section: {key: value}})
    assert StackConfig.parse(PROJECT, "dev", settings).agent_environment[variable] == said


def test_what_is_left_out_is_the_agents_own_default() -> None:
    config = StackConfig.parse(PROJECT, "dev", changed_settings("dev", {}))
    assert not set(AGENT_DEFAULTS) & set(config.agent_environment)
    for variable, value in AGENT_DEFAULTS.items():
        field = AgentSettings.model_fields.get(variable.removeprefix("AGENT_").lower())
        if field is not None:
            default = field.get_default()
            assert (f"{default:g}" if isinstance(default, float) else str(default)) == value, variable


def test_times_that_were_left_out_follow_the_shorter_of_those_that_bind_them() -> None:
    short = {"api": {"timeoutSeconds": 60}, "runtime": {"idleSessionSeconds": 60}}
    told = StackConfig.parse(PROJECT, "dev", changed_settings("dev", short)).agent_environment
    assert (told["AGENT_RUN_SECONDS"], told["AGENT_DETACHED_SECONDS"], told["AGENT_KEEP_SECONDS"]) == ("54", "54", "60")


class TestTheAuthorsOwn:
    GRAPH: ClassVar[dict[str, dict[str, Any]]] = {
        "runtime": {
            "environment": {"CITY": "Oslo", "LIMIT": 3},
            "secrets": {"WEATHER_API_KEY": SECRET, "TEAM_TOKEN": PARAMETER},
            "statements": [
                {
                    "actions": ["dynamodb:GetItem"],
                    "resources": ["arn:aws:dynamodb:us-east-1:ACCOUNT:table/notes"],
                    "conditions": {"StringEquals": {"aws:PrincipalTag/team": ["a"]}},
                }
            ],
        }
    }

    def test_variables_reach_the_agent(self) -> None:
        found = variables(variation("dev", **self.GRAPH))
        assert (found["CITY"], found["LIMIT"]) == ("Oslo", "3")

    def test_secrets_are_named_and_granted_one_by_one(self) -> None:
        graph = variation("dev", **self.GRAPH)
        named = json.loads(variables(graph)["AGENT_SECRETS"])
        assert set(named) == {"WEATHER_API_KEY", "TEAM_TOKEN"}
        assert all(":ACCOUNT:" not in arn for arn in named.values())
        granted = {each["Sid"]: each for each in role_statements(graph) if each["Sid"].startswith("Secrets")}
        assert granted["SecretsSecretsmanager"]["Action"] == ["secretsmanager:GetSecretValue"]
        assert granted["SecretsSecretsmanager"]["Resource"] == [named["WEATHER_API_KEY"]]
        assert granted["SecretsSsm"]["Resource"] == [named["TEAM_TOKEN"]]

    def test_statements_are_the_roles_own(self) -> None:
        (found,) = [each for each in role_statements(variation("dev", **self.GRAPH)) if each["Sid"] == "Author1"]
        assert found["Effect"] == "Allow"
        assert ":ACCOUNT:" not in found["Resource"][0]
        assert found["Condition"] == {"StringEquals": {"aws:PrincipalTag/team": ["a"]}}

    def test_the_local_run_looks_for_no_secret_in_aws(self) -> None:
        graph = variation("dev", **self.GRAPH)
        environment = local_environment(graph, model="scripted", changes={})
        assert environment["CITY"] == "Oslo"
        assert "AGENT_SECRETS" not in environment

    def test_a_model_of_another_service_needs_no_grant_of_bedrock(self) -> None:
        graph = variation(
            "dev",
            runtime={
                "model": "openai:deepseek-chat",
                "openaiBaseUrl": "https://api.example.com/v1",
                "modelArns": [],
                "secrets": {"OPENAI_API_KEY": SECRET},
            },
        )
        assert variables(graph)["AGENT_OPENAI_BASE_URL"] == "https://api.example.com/v1"
        assert not [each for each in role_statements(graph) if "bedrock" in json.dumps(each["Action"])]


def test_the_time_scale_reaches_times_that_are_at_their_default() -> None:
    scaled = local_environment(variation("dev").at_time_scale(100), model="scripted", changes={})
    assert float(scaled["AGENT_RUN_SECONDS"]) == 8.7
    assert float(scaled["AGENT_DETACHED_SECONDS"]) == 3
    assert float(scaled["AGENT_CONNECTION_SECONDS"]) == 9

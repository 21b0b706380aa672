"""Invariants over the whole graph, for every environment."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract import StackOutputs
from infra.access_log import FIELDS, FORMAT_LIMIT, log_format
from infra.settings.firewall import FirewallSettings
from local import ROOT
from local.program.evaluate import evaluate
from local.program.graph import Graph
from local.program.graph_table import listing
from local.program.provider import MockProvider, UnknownProvider
from tests.infra.graph_cache import sources
from tests.infra.graphs import (
    ENVIRONMENTS,
    EVERYTHING,
    PROJECT,
    VARIATIONS,
    a_built_page,
    any_stack,
    changed_settings,
    environment_graph,
    stack_settings,
    stage_web_acl,
    variation,
)
from tests.policy.stacks import first_preview

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"


class TestShape:
    def test_every_resource_belongs_to_a_component(self, any_graph: Graph) -> None:
        components = {each.urn: each for each in any_graph.resources if each.type.startswith("agentstream:")}
        for each in any_graph.resources:
            if each.urn not in components:
                assert each.parent in components, each.name

    def test_every_component_is_one_of_ours_and_holds_something(self, any_graph: Graph) -> None:
        parents = {each.parent for each in any_graph.resources}
        for each in any_graph.resources:
            if not each.custom:
                assert each.type.startswith(("agentstream:infra:", "awsx:"))
                assert each.urn in parents or each.type.startswith("awsx:")

    def test_every_name_begins_with_project_and_stack(self, any_graph: Graph) -> None:
        for each in any_graph.resources:
            assert each.name.startswith(f"{any_graph.project}-{any_graph.stack}"), each.urn

    def test_nothing_is_looked_up(self, any_graph: Graph) -> None:
        assert any_graph.calls == ()

    def test_evaluating_again_gives_the_same_graph(self) -> None:
        again = evaluate("dev", MockProvider("us-east-1"), settings=stack_settings("dev"))
        assert again.to_json() == environment_graph("dev").to_json()

    def test_a_graph_survives_its_json(self, everything: Graph) -> None:
        assert json.loads(Graph.from_json(everything.to_json()).to_json()) == json.loads(everything.to_json())

    def test_outputs_have_the_names_that_everything_else_reads(self, any_graph: Graph) -> None:
        promised = {str(field.alias) for field in StackOutputs.model_fields.values()}
        assert set(any_graph.outputs) <= promised
        assert promised - set(any_graph.outputs) <= {"apiKeys", "websiteUrl"}

    def test_alarms_and_their_topic_are_named_so_that_the_doctor_finds_them_by_the_stacks_name(
        self, any_graph: Graph
    ) -> None:
        alarms = [one for one in any_graph.resources if one.type.endswith(":MetricAlarm")]
        assert bool(alarms) == any_graph.outputs["alarms"]
        stack = any_graph.outputs["stackName"]
        assert [alarm.name for alarm in alarms if not alarm.inputs["name"].startswith(f"{stack}-")] == []
        topics = [one for one in any_graph.resources if one.type == "aws:sns/topic:Topic"]
        assert [topic.name for topic in topics] == [f"{stack}-alarms"] * bool(alarms)  # the engine adds seven digits
        for alarm in alarms:
            assert alarm.inputs["alarmActions"] == [topic.outputs["arn"] for topic in topics]


class TestListing:
    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_every_resource_has_its_line_and_words_are_whole(self, width: int, any_graph: Graph) -> None:
        lines = [*listing(any_graph, any_graph.resources, width)]
        prefix = f"{any_graph.project}-{any_graph.stack}-"
        for each in any_graph.resources:
            if each.custom:
                assert f"  {each.type.rpartition(':')[2]}  {each.name.removeprefix(prefix)}" in lines
        facts = [line for line in lines if line.startswith(" " * 6)]
        assert facts
        for line in facts:
            assert len(line) <= width or len(line.split()) == 1, "only a single word may be longer"

    def test_components_come_in_the_order_in_which_a_request_meets_them(self, dev: Graph) -> None:
        way = [line for line in listing(dev, dev.resources, 80) if line and not line.startswith(" ")]
        known = ("Identity", "Firewall", "StreamingApi", "Runtime")
        assert [name for name in way if name in known] == [*known]

    def test_it_shows_what_decides_for_roles_authorizers_and_allow_lists(self, dev: Graph) -> None:
        shown = " ".join(" ".join(listing(dev, dev.resources, 120)).split())
        client = dev.outputs["userPoolClientId"]
        for fact in (
            f"identityValidationExpression=^{client}$",
            f"allowedAudiences={client}",
            "requestHeaderAllowlists=Authorization",
            "bedrock-agentcore.amazonaws.com allow sts:AssumeRole if StringEquals,ArnLike",
            "allow bedrock:InvokeModel,bedrock:InvokeModelWithResponseStream",
            "Session-Id=context.authorizer.claims.sub",
        ):
            assert fact in shown


class TestTags:
    def test_whatever_can_carry_tags_says_whose_it_is(self, any_graph: Graph) -> None:
        for each in any_graph.resources:
            if takes_tags(each.type):
                assert {"project", "stack", "environment", "owner"} <= set(each.inputs.get("tags", {})), each.name


def takes_tags(type_: str) -> bool:
    """Whether the provider's class of a type has an argument for tags."""
    package, module, name = type_.split(":")
    if package not in ("aws", "awsx"):
        return False
    declared = getattr(importlib.import_module(f"pulumi_{package}.{module.partition('/')[0]}"), name)
    return "tags" in inspect.signature(declared._internal_init).parameters


class TestPreviewKnowsNothing:
    @pytest.mark.parametrize("stack", ENVIRONMENTS)
    def test_the_same_resources_are_declared_when_no_output_is_known(self, stack: str) -> None:
        preview, known = first_preview(stack), environment_graph(stack)
        assert [each.urn for each in preview.resources] == [each.urn for each in known.resources]
        assert preview.calls == ()

    @pytest.mark.parametrize("parts", VARIATIONS)
    def test_so_are_all_optional_parts(self, parts: str) -> None:
        settings = changed_settings("dev", VARIATIONS[parts])
        with a_built_page():
            preview = evaluate("dev", UnknownProvider(), settings=settings, preview=True)
        assert [each.urn for each in preview.resources] == [each.urn for each in any_stack(parts).resources]
        assert preview.calls == ()


class TestLimitsOfServices:
    def test_the_web_acl_stays_within_the_capacity_that_costs_nothing(self) -> None:
        everything = FirewallSettings.model_validate(EVERYTHING["firewall"])
        from infra.waf_rules import CAPACITY_LIMIT, capacity  # noqa: PLC0415 - loads 40,000 lines of the provider

        assert capacity(FirewallSettings()) < capacity(everything) < capacity(everything, 2) <= CAPACITY_LIMIT

    def test_rules_have_priorities_of_their_own_and_the_size_rule_comes_before_the_groups(
        self, any_graph: Graph
    ) -> None:
        rules = stage_web_acl(any_graph).inputs["rules"]
        assert [rule["priority"] for rule in rules] == list(range(len(rules)))
        names = [rule["name"] for rule in rules]
        managed = [index for index, rule in enumerate(rules) if "managedRuleGroupStatement" in rule["statement"]]
        assert names.index("body-size") < min(managed)

    def test_the_access_log_format_fits_and_is_json_of_known_variables(self) -> None:
        assert len(log_format().encode()) <= FORMAT_LIMIT
        assert json.loads(log_format()) == FIELDS
        assert {"responseTransferMode", "timeToAllHeaders", "timeToFirstContent", "sub", "wafStatus"} <= set(FIELDS)

    def test_the_agents_variables_fit_the_smaller_platforms_limit(self, any_graph: Graph) -> None:
        # 1.5 KB in all for a code package on platform V2 (…/devguide/runtime-how-it-works.html).
        variables = any_graph.one(RUNTIME).inputs["environmentVariables"]
        assert sum(len(name) + len(value) for name, value in variables.items()) <= 1536

    def test_every_log_group_forgets(self, any_graph: Graph) -> None:
        groups = {each.inputs["name"]: each.inputs["retentionInDays"] for each in any_graph.all(LOG_GROUP)}
        runtime = f"/aws/bedrock-agentcore/runtimes/{any_graph.one(RUNTIME).id}"
        # DEFAULT is always there, beside the endpoint that is called.
        assert {f"{runtime}-DEFAULT", f"{runtime}-{any_graph.outputs['qualifier']}"} < set(groups)
        assert any(name.startswith("aws-waf-logs-") for name in groups)
        assert any(name.endswith("/access") for name in groups)
        assert all(days > 0 for days in groups.values())

    def test_the_agents_log_groups_can_be_left_to_agentcore(self) -> None:
        left = variation("prod", runtime={"declareLogGroups": False})
        assert not [each for each in left.all(LOG_GROUP) if "bedrock-agentcore" in each.inputs["name"]]

    def test_waf_may_write_to_its_log_group(self, any_graph: Graph) -> None:
        for logging in any_graph.all("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"):
            (destination,) = logging.inputs["logDestinationConfigs"]
            assert destination.rpartition(":")[2].startswith("aws-waf-logs-")
            assert destination.split(":")[3] == logging.inputs.get("region", any_graph.region)


class TestEnvironments:
    def test_environments_differ_exactly_where_their_files_say(self) -> None:
        """A stack with another's file is that other stack, but for its name."""
        for stack in ("staging", "prod"):
            settings = {**stack_settings(stack), f"{PROJECT}:environment": stack}
            twin = evaluate("dev", MockProvider("us-east-1"), settings=settings)
            assert nameless(twin) == nameless(environment_graph(stack))


def nameless(graph: Graph) -> list[Any]:
    """The declarations without what follows from the stack's name: names, ids, AWS's answers, the snapshot's hash."""
    prefix = f"{graph.project}-{graph.stack}"
    answers: dict[str, str] = {}
    for each in graph.resources:
        own = {"id": each.id, **{key: value for key, value in each.outputs.items() if key not in each.inputs}}
        label = f"{each.type} {re.sub('-[0-9a-f]{8}$', '', each.name.removeprefix(prefix))}"
        answers |= {
            value: f"<{label} {key}>" for key, value in own.items() if isinstance(value, str) and len(value) > 9
        }
    text = json.dumps(
        [
            [
                each.type,
                each.name,
                each.protect,
                {key: each.inputs[key] for key in each.inputs if key not in ("triggers", "tags")},
            ]
            for each in graph.resources
        ]
    )
    for answer in sorted(answers, key=len, reverse=True):
        text = text.replace(answer, answers[answer])
    for named in (prefix, prefix.replace("-", "_")):
        text = text.replace(named, "<name>")
    text = text.replace(f"-firewall-stage-{graph.stack}", "-firewall-stage-<stage>")
    # A grant's policy is named by a digest of what it grants, where the stack's name is.
    text = re.sub(r"(<name>-[a-z-]+)-[0-9a-f]{8}\b", r"\1-<digest>", text)
    for quote in ('"', '\\"'):  # in the declarations, and in the documents within them
        text = text.replace(f"{quote}{graph.stack}{quote}", f"{quote}<stack>{quote}")
    return sorted(json.loads(text), key=str)


IMPORTED = """
import sys
from local.program.evaluate import evaluate
from local.program.provider import MockProvider
assert evaluate("dev", MockProvider("us-east-1")).resources
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(*(f"{name} {file}" for name, file in files.items() if file), sep="\\n")
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, Path]:
    """The file of each module that an evaluation of the dev stack imports."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = (line.split(" ", 1) for line in done.stdout.splitlines())
    return {name: Path(file) for name, file in lines}


class TestWhatIsImported:
    def test_awsx_is_loaded_only_for_a_stack_that_declares_it(self, imported: dict[str, Path]) -> None:
        assert "pulumi_aws" in imported
        assert [name for name in imported if "awsx" in name or "docker" in name] == []

    def test_every_module_is_a_source_of_the_kept_graphs(self, imported: dict[str, Path]) -> None:
        """So that a graph of earlier sources is never taken for the present one."""
        ours = {path for path in imported.values() if path.is_relative_to(ROOT) and "site-packages" not in path.parts}
        assert ROOT / "infra" / "api.py" in ours
        assert ours <= set(sources())

"""The guard rails: silent on every environment, and each awake to the one thing it guards."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from contract import Kind
from policy.graph import Declared, Stack
from policy.rules import RULES, Rule
from tests.infra.graphs import ENVIRONMENTS, VARIATIONS, WEBSITE, any_stack, environment_graph, variation
from tests.policy.edits import Edit, changed, drop, put, together
from tests.policy.mutations import MUTATIONS, allowed, retagged, runtime, stream
from tests.policy.stacks import UNKNOWN, broken, declared, first_preview, guarded, judged, readers
from tests.policy.website_mutations import WEBSITE_MUTATIONS

EVERY_MUTATION = [
    pytest.param(rule, edit, id=f"{rule}: {what}") for rule, edits in MUTATIONS.items() for what, edit in edits.items()
]


@cache
def production() -> list[Declared]:
    return declared(environment_graph("prod"))


@cache
def broken_in_production(edit: Edit) -> dict[str, list[str]]:
    return broken(edit(production()))


@cache
def broken_in_a_first_preview(edit: Edit, *, website: bool = False) -> dict[str, list[str]]:
    return broken(edit(declared(first_preview("prod", website=website))))


class TestSilence:
    @pytest.mark.parametrize("stack", ENVIRONMENTS)
    def test_every_environment_passes_every_rule(self, stack: str) -> None:
        assert broken(declared(environment_graph(stack))) == {}

    @pytest.mark.parametrize("stack", ENVIRONMENTS)
    def test_a_first_preview_passes_every_rule_although_little_is_known(self, stack: str) -> None:
        assert broken(declared(first_preview(stack))) == {}

    @pytest.mark.parametrize("parts", VARIATIONS)
    def test_a_stack_with_every_optional_part_passes_every_rule(self, parts: str) -> None:
        assert broken(declared(any_stack(parts))) == {}

    def test_the_private_way_passes_every_rule(self) -> None:
        assert broken(declared(variation("prod", runtime={"bypassProtection": "private"}, network={}))) == {}

    @pytest.mark.parametrize("mode", ["thread", "header"])
    def test_sessions_that_another_source_names_pass_every_rule(self, mode: str) -> None:
        assert broken(declared(variation("prod", api={"sessionFrom": mode}))) == {}

    def test_a_body_limit_passes_every_rule(self) -> None:
        assert broken(declared(variation("prod", firewall={"bodyLimitKb": 64}))) == {}

    def test_outside_production_the_bypass_is_the_stacks_own_choice(self) -> None:
        assert broken(declared(variation("dev", runtime={"bypassProtection": "none"}))) == {}

    def test_what_is_within_a_bucket_of_the_stacks_own_may_be_read_by_a_prefix(self) -> None:
        (bucket,) = (each for each in production() if each.type == Kind.BUCKET)
        packages = allowed("s3:GetObject", f"{bucket.outputs['arn']}/agent-*.zip")
        assert broken(packages(production())) == {}


class TestMutations:
    @pytest.mark.parametrize(("rule", "edit"), EVERY_MUTATION)
    def test_breaking_one_thing_wakes_its_rule_and_no_other(self, rule: str, edit: Edit) -> None:
        found = broken_in_production(edit)
        assert list(found) == [rule], found

    @pytest.mark.parametrize(("rule", "edit"), EVERY_MUTATION)
    def test_in_a_first_preview_no_other_rule_wakes(self, rule: str, edit: Edit) -> None:
        found = broken_in_a_first_preview(edit)
        assert set(found) <= {rule}, found

    def test_every_rule_judges_something_in_a_first_preview_already(self) -> None:
        found = {
            rule
            for website, mutations in ((False, MUTATIONS), (True, WEBSITE_MUTATIONS))
            for rule, edits in mutations.items()
            if any(broken_in_a_first_preview(edit, website=website) for edit in edits.values())
        }
        assert found == {rule.name for rule in RULES}

    @pytest.mark.parametrize(("rule", "edit"), EVERY_MUTATION)
    def test_a_message_says_what_to_do(self, rule: str, edit: Edit) -> None:
        verbs = ("Declare", "Remove", "Set", "Use", "Map", "Add", "Name", "Pass", "Redact")
        for message in broken_in_production(edit)[rule]:
            assert message.endswith(".")
            assert any(verb in message for verb in verbs)

    @pytest.mark.parametrize(
        ("rule", "edit"),
        [
            pytest.param(rule, edit, id=f"{rule}: {what}")
            for rule, edits in WEBSITE_MUTATIONS.items()
            for what, edit in edits.items()
        ],
    )
    def test_so_it_is_with_a_page_of_its_own(self, rule: str, edit: Edit) -> None:
        found = broken(edit(declared(variation("prod", **WEBSITE))))
        assert list(found) == [rule], found
        for message in found[rule]:
            assert re.search(r"(Declare|Remove|Set|Use|Add|Name|Redact) .*\.$", message), message
        assert set(broken_in_a_first_preview(edit, website=True)) <= {rule}

    @pytest.mark.parametrize(("milliseconds", "said"), [(1_000, "after 1 s"), (29_000, "after 29 s")])
    def test_a_timeout_that_is_too_short_is_named_as_it_is(self, milliseconds: int, said: str) -> None:
        (message,) = broken(stream(put(milliseconds, "timeoutMilliseconds"))(production()))["timeout-is-raised"]
        assert said in message

    def test_an_api_keys_id_may_stand_in_the_access_log(self) -> None:
        edit = changed(Kind.STAGE, put("$context.identity.apiKeyId", "accessLogSettings", "format"))
        assert broken(edit(production())) == {}

    def test_every_rule_has_a_mutation(self) -> None:
        assert {rule.name for rule in RULES} == {*MUTATIONS, *WEBSITE_MUTATIONS}

    def test_the_environments_tag_makes_a_stack_of_any_name_production(self) -> None:
        edit = together(retagged("prod"), runtime(drop("environmentVariables", "AGENT_ORIGIN_SECRET")))
        assert list(broken(edit(declared(environment_graph("dev"))))) == ["no-way-round"]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value within a value stands, itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


class TestUnknown:
    @pytest.mark.parametrize("stack", ["prod", *VARIATIONS])
    def test_one_unknown_input_anywhere_stops_no_rule_and_is_no_finding(self, stack: str) -> None:
        graph = any_stack(stack)
        resources = [guarded(each) for each in declared(graph)]
        reading = readers(resources)
        for index, each in enumerate(graph.resources):
            for path in paths(dict(each.inputs)):
                outputs = copy.deepcopy(dict(each.outputs))
                holder: Any = outputs
                for key in path[:-1]:
                    holder = holder[key]
                holder[path[-1]] = UNKNOWN
                unsure = guarded(dataclasses.replace(resources[index], outputs=outputs))
                found = judged([*resources[:index], unsure, *resources[index + 1 :]], reading[each.urn, path[0]])
                assert found == {}, (each.name, path)

    def test_an_unknown_value_lets_its_own_resource_pass_and_no_other(self) -> None:
        def check(resource: Declared, _stack: Stack) -> Iterator[str]:
            yield resource.get("value")

        known, unknown = (
            Declared("a", "known", "", {"value": "wrong"}),
            Declared("a", "unknown", "", {"value": UNKNOWN}),
        )
        found = Rule("rule", "", [("a", check)]).findings(Stack(map(guarded, [unknown, known])))
        assert [(resource.name, message) for resource, message in found] == [("known", "wrong")]

    def test_a_check_that_fails_is_a_finding(self) -> None:
        def check(resource: Declared, _stack: Stack) -> Iterator[str]:
            yield str(int(resource.get("value")))

        found = Rule("rule", "", [("a", check)]).findings(Stack([Declared("a", "name", "", {"value": "many"})]))
        ((_, message),) = found
        assert "ValueError" in message

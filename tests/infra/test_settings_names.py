"""What a stack, its project and its owner may be called, and which rules follow from a name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import SettingsError, StackConfig
from infra.runtime import _runtime_name
from infra.settings.runtime import RuntimeSettings
from infra.settings.stack import PROJECT
from tests.infra.graphs import PROJECT as PROJECT_NAME
from tests.infra.graphs import changed_settings, stack_settings, variation
from tests.infra.test_settings import problems_of

LONGEST_PROJECT = "a" * max(length for length in range(64) if re.fullmatch(PROJECT.regex, "a" * length))
ARN = "arn:aws:bedrock:us-east-1::foundation-model/m"


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("stack", "kind"), [("prod", "prod"), ("prod-eu", "prod"), ("staging", "staging"), ("alice", "dev")]
    )
    def test_follows_from_the_stacks_name(self, stack: str, kind: str) -> None:
        config = StackConfig.parse(PROJECT_NAME, stack, changed_settings("prod", {}))
        assert config.kind == kind

    def test_the_file_may_raise_it(self) -> None:
        settings = {**changed_settings("dev", {}), f"{PROJECT_NAME}:environment": "prod"}
        with pytest.raises(SettingsError, match="production"):
            StackConfig.parse(PROJECT_NAME, "live", settings)

    @pytest.mark.parametrize(
        ("stack", "environment"), [("prod", "dev"), ("prod-eu", "staging"), ("production", "dev"), ("staging", "dev")]
    )
    def test_the_file_may_not_lower_it(self, stack: str, environment: str) -> None:
        settings = {**changed_settings("prod", {}), f"{PROJECT_NAME}:environment": environment}
        (found,) = problems_of(stack, settings)
        assert found.startswith(
            f'{PROJECT_NAME}:environment is "{environment}", but a stack named {stack} has the rules of'
        )

    def test_production_rules_hold_whatever_the_file_says(self) -> None:
        lax: dict[str, dict[str, Any]] = {
            "identity": {"protect": False},
            "runtime": {"bypassProtection": "none"},
            "api": {"allowedOrigin": "*"},
        }
        settings = {**changed_settings("prod", lax), f"{PROJECT_NAME}:environment": "dev"}
        assert {found.split()[0] for found in problems_of("prod", settings)} == {
            f"{PROJECT_NAME}:environment",
            f"{PROJECT_NAME}:identity.protect",
            f"{PROJECT_NAME}:runtime.bypassProtection",
            f"{PROJECT_NAME}:api.allowedOrigin",
        }

    @pytest.mark.parametrize(
        ("stack", "meant"),
        [
            ("live", "prod"),
            ("prd", "prod"),
            ("prd2", "prod"),
            ("eu-prod", "prod"),
            ("preprod", "staging"),
            ("uat", "staging"),
            ("eu-staging", "staging"),
            ("qa-live", "prod"),
        ],
    )
    def test_a_name_that_may_mean_more_than_dev_is_asked_about(self, stack: str, meant: str) -> None:
        (found,) = problems_of(stack, stack_settings("dev"))
        assert found.startswith(
            f"{PROJECT_NAME}:environment is left out, but a stack named {stack} has the rules of dev"
        )
        assert found.endswith(f"write {meant}, or dev if that is intended.")
        said = {**stack_settings("dev"), f"{PROJECT_NAME}:environment": "dev"}
        assert StackConfig.parse(PROJECT_NAME, stack, said).kind == "dev"

    @pytest.mark.parametrize("stack", ["dev", "alice", "pr-123", "delivery", "olive", "lively", "quality"])
    def test_any_other_name_is_dev_without_a_question(self, stack: str) -> None:
        assert StackConfig.parse(PROJECT_NAME, stack, stack_settings("dev")).kind == "dev"


class TestNames:
    @given(st.text(max_size=20))
    def test_a_stack_name_is_accepted_only_if_every_aws_name_is(self, stack: str) -> None:
        try:
            config = StackConfig.parse(PROJECT_NAME, stack, changed_settings("prod", {}))
        except SettingsError:
            return
        assert len(config.name.replace("-", "_")) <= 48  # AgentCore's limit
        assert config.name.replace("-", "_").isidentifier()
        assert config.name.isascii()

    @pytest.mark.parametrize("stack", ["dev-", "a--b", "-a", "Dev", "1a", "a_b", "a" * 17, "", "dev\n"])
    def test_a_stack_name_that_breaks_some_aws_name_is_refused(self, stack: str) -> None:
        (found,) = problems_of(stack, stack_settings("dev"))
        assert found.startswith("The stack's name is")

    @pytest.mark.parametrize("project", ["MyAgent", "acme.agent", "a--b", "a" * 26])
    def test_a_project_name_that_some_aws_name_cannot_begin_with_is_refused(self, project: str) -> None:
        settings = {
            key.replace(f"{PROJECT_NAME}:", f"{project}:"): value for key, value in stack_settings("dev").items()
        }
        with pytest.raises(
            SettingsError, match=r"The project's name in Pulumi\.yaml is .* write at most 25"
        ) as refused:
            StackConfig.parse(project, "dev", settings)
        assert len(refused.value.problems) == 1

    def test_the_longest_names_fit_together(self) -> None:
        project, stack = LONGEST_PROJECT, "b" * 16
        changes: dict[str, dict[str, Any]] = {"runtime": {"artifact": "container"}, "api": {"accountLogRole": True}}
        settings = changed_settings("dev", changes)
        settings = {key.replace(f"{PROJECT_NAME}:", f"{project}:"): value for key, value in settings.items()}
        config = StackConfig.parse(project, stack, settings)
        graph = variation("dev", **changes)
        (runtime,) = graph.all("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime")
        assert len(_lengthened(runtime.inputs["agentRuntimeName"], config.name)) <= 48
        for role in graph.all("aws:iam/role:Role"):
            # Pulumi adds a hyphen and seven characters, and stops where IAM's limit is passed.
            assert len(_lengthened(role.name, config.name)) + 8 <= 64, role.name

    @pytest.mark.parametrize("artifact", ["code", "container"])
    def test_stacks_whose_long_names_end_differently_have_runtimes_of_their_own(self, artifact: str) -> None:
        settings = RuntimeSettings.model_validate({"artifact": artifact, "modelArns": [ARN]})
        names = {_runtime_name(f"{LONGEST_PROJECT}-developers-eu-0{number}", settings) for number in (1, 2)}
        assert len(names) == 2

    @pytest.mark.parametrize(
        ("key", "elsewhere"),
        [("region", "aws:region"), ("stack", "the stack's name"), ("project", "the project's name in Pulumi.yaml")],
    )
    def test_what_is_read_from_elsewhere_is_no_key_of_the_project(self, key: str, elsewhere: str) -> None:
        """Taken, such a Region would be the program's and not the provider's; ignored, it would look obeyed."""
        settings = {**stack_settings("dev"), f"{PROJECT_NAME}:{key}": "eu-west-1"}
        expected = f"{PROJECT_NAME}:{key} is not a setting: that is read from {elsewhere}; remove it."
        assert problems_of("dev", settings) == [expected]

    def test_a_region_under_a_key_of_the_project_is_not_taken_for_the_providers(self) -> None:
        settings = {**stack_settings("dev"), f"{PROJECT_NAME}:region": "us-east-1"}
        del settings["aws:region"]
        assert [found.split()[0] for found in problems_of("dev", settings)] == [f"{PROJECT_NAME}:region", "aws:region"]

    @pytest.mark.parametrize("stack", ["aws-test", "cognito-1", "my-amazon"])
    def test_a_stack_whose_login_domain_cognito_reserves_needs_another(self, stack: str) -> None:
        (found,) = problems_of(stack, stack_settings("dev"))
        assert found.startswith(f"{PROJECT_NAME}:identity.domainPrefix is left out")
        assert problems_of(stack, changed_settings("dev", {"identity": {"domainPrefix": "chat"}})) == []

    @pytest.mark.parametrize("owner", ["Team <a@b> & Co; (x)", "agent-team 🚀", "Équipe", "aws:team", " ", "a" * 257])
    def test_an_owner_that_no_tag_can_hold_is_refused(self, owner: str) -> None:
        (found,) = problems_of("dev", {**stack_settings("dev"), f"{PROJECT_NAME}:owner": owner})
        assert found.startswith(f"{PROJECT_NAME}:owner is")

    @pytest.mark.parametrize("region", ["xx-nowhere-9", "us-esat-1", "cn-north-1", "us-east-1\n", ""])
    def test_a_region_must_be_one_that_the_program_can_write_host_names_for(self, region: str) -> None:
        (found,) = problems_of("dev", {**stack_settings("dev"), "aws:region": region})
        assert found.startswith("aws:region is")


def _lengthened(name: str, prefix: str) -> str:
    """A name of the development stack as it would be in a stack whose names begin otherwise."""
    return name.replace(f"{PROJECT_NAME}-dev", prefix, 1).replace(f"{PROJECT_NAME.replace('-', '_')}_dev", prefix, 1)

"""Changes of a stack that serves: in which order a real engine makes them, and what is left when a step fails."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation

from tests.engine.conftest import NewStack
from tests.engine.provider import Change, Properties
from tests.engine.stacks import position, structured
from tests.infra.graphs import PROJECT, WEBSITE, changed_settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DOMAIN = {"name": "agent.example.com", "hostedZoneId": "Z0123456789"}
PRIVATE = {"endpointType": "PRIVATE", "vpcEndpointIds": ["vpce-0123456789abcdef0"]}
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
OTHER_MODEL = {
    "model": f"bedrock:{SONNET}",
    "modelArns": [f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"],
}
RUNTIME, ROLE_POLICY = "AgentcoreAgentRuntime", "RolePolicy"


def settings(**changes: dict[str, Any]) -> dict[str, Any]:
    return structured(changed_settings("dev", changes))


def refusing(what: str, kind: str) -> Any:
    """AWS refuses one kind of change."""

    def refuse(change: Change, _properties: Properties) -> str | None:
        return "refused" if change.what == what and change.type.endswith(f":{kind}") else None

    return refuse


class TestAHostName:
    def test_it_is_added_beside_the_address_that_there_is(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        stack.configure(settings(api={"domain": DOMAIN}))
        done = stack.up()
        assert {each.what for each in done} == {"create"}
        assert position(done, "create", "CertificateValidation") < position(done, "create", "DomainName")
        assert position(done, "create", "DomainName") < position(done, "create", "BasePathMapping")
        assert position(done, "create", "BasePathMapping") < position(done, "create", "Record", "domain-record")
        (api,) = stack.cloud.all("RestApi")
        assert api["disableExecuteApiEndpoint"] is False

    @pytest.mark.parametrize("domain", [DOMAIN, {**DOMAIN, "onlyThisName": True}], ids=["beside", "in its place"])
    def test_a_certificate_that_is_never_issued_leaves_the_api_alone(
        self, deployed: NewStack, domain: dict[str, Any]
    ) -> None:
        stack = deployed("dev")
        stack.configure(settings(api={"domain": domain}))
        stack.cloud.refuses = refusing("create", "CertificateValidation")
        with pytest.raises(automation.CommandError):
            stack.up()
        assert {each.type.rpartition(":")[2] for each in stack.cloud.changes} <= {"Certificate", "Record"}

    def test_the_old_address_is_switched_off_by_a_second_deployment(self, deployed: NewStack) -> None:
        stack = deployed("dev", api={"domain": DOMAIN})
        stack.configure(settings(api={"domain": {**DOMAIN, "onlyThisName": True}}))
        done = stack.up()
        assert position(done, "update", "RestApi") < position(done, "create", "Deployment")
        assert not [each for each in done if "domain" in each.name]


class TestWhatTheRoleMayDo:
    @pytest.mark.parametrize(
        ("before", "after", "kind"),
        [
            ({}, OTHER_MODEL, "models"),
            (
                {"guardrailId": "abc", "guardrailVersion": "1"},
                {"guardrailId": "def", "guardrailVersion": "1"},
                "guardrail",
            ),
        ],
        ids=["model", "guardrail"],
    )
    def test_the_new_grant_comes_before_the_runtime_and_the_old_one_goes_last(
        self, deployed: NewStack, before: dict[str, Any], after: dict[str, Any], kind: str
    ) -> None:
        stack = deployed("dev", runtime=before)
        stack.configure(settings(runtime=after))
        done = stack.up()
        assert [(each.what, each.type.rpartition(":")[2]) for each in done] == [
            ("create", ROLE_POLICY),
            ("update", RUNTIME),
            ("delete", ROLE_POLICY),
        ]
        assert all(f"-agent-{kind}-" in each.name for each in (done[0], done[2]))

    def test_a_container_in_place_of_code_keeps_the_old_grant_until_the_old_runtime_is_gone(
        self, deployed: NewStack
    ) -> None:
        stack = deployed("dev")
        stack.configure(settings(runtime={"artifact": "container"}))
        done = stack.up()
        fetching = next(each.name for each in done if each.what == "create" and "-agent-image-" in each.name)
        assert position(done, "create", ROLE_POLICY, fetching) < position(done, "create", RUNTIME)
        assert position(done, "create", RUNTIME) < position(done, "create", "Deployment")
        assert position(done, "update", "Stage") < position(done, "delete", RUNTIME)
        (left,) = [index for index, each in enumerate(done) if each.what == "delete" and "-agent-code-" in each.name]
        assert position(done, "delete", RUNTIME) < left

    def test_a_model_that_is_kept_for_running_sessions_stays_granted(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        old = json.loads(changed_settings("dev", {})[f"{PROJECT}:runtime"])["modelArns"]
        stack.configure(settings(runtime={**OTHER_MODEL, "alsoModelArns": old}))
        stack.up()
        granted = json.dumps([each["policy"] for each in stack.cloud.all(ROLE_POLICY)])
        assert all(arn.rpartition("/")[2] in granted for arn in [*old, *OTHER_MODEL["modelArns"]])


class TestTheEndpointType:
    def test_a_regional_api_keeps_nothing_of_a_private_one(self, deployed: NewStack) -> None:
        stack = deployed("dev", api=PRIVATE)
        stack.configure(settings())
        stack.up()
        (api,) = stack.cloud.all("RestApi")
        assert "vpce-" not in json.dumps(api)
        assert api["endpointConfiguration"] == {"types": "REGIONAL", "ipAddressType": "ipv4", "vpcEndpointIds": []}

    def test_a_private_api_takes_the_only_kind_of_address_that_it_may(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        stack.configure(settings(api=PRIVATE))
        done = stack.up()
        assert position(done, "update", "RestApi") < position(done, "create", "Deployment")
        (api,) = stack.cloud.all("RestApi")
        assert api["endpointConfiguration"]["ipAddressType"] == "dualstack"

    def test_one_that_strict_host_holds_is_refused_in_the_preview_already_with_the_steps(
        self, deployed: NewStack
    ) -> None:
        stack = deployed("dev", api={"strictHost": True})
        for wanted in (PRIVATE, {**PRIVATE, "strictHost": True}):
            stack.configure(settings(api=wanted))
            for attempt in (stack.preview, stack.up):
                with pytest.raises(automation.CommandError, match=r"write strictHost: false and deploy, wait 15") as no:
                    attempt()
                assert "Traceback" not in str(no.value)
                assert not [each for each in stack.cloud.changes if each.type.endswith(":RestApi")]

    def test_by_the_steps_it_changes(self, deployed: NewStack) -> None:
        stack = deployed("dev", api={"strictHost": True})
        for step in ({}, PRIVATE, {**PRIVATE, "strictHost": True}):
            stack.configure(settings(api=step))
            assert stack.up()
        (api,) = stack.cloud.all("RestApi")
        assert (api["endpointAccessMode"], api["endpointConfiguration"]["types"]) == ("STRICT", "PRIVATE")


class TestTheOriginSecret:
    """Sessions that run keep their variables, so what is sent and what is asked for change in two deployments."""

    def test_it_is_sent_before_anybody_asks_for_it(self, deployed: NewStack) -> None:
        stack = deployed("dev", runtime={"bypassProtection": "none"})
        stack.configure(settings(runtime={"originSecret": {"required": False}}))
        stack.up()
        assert self.sent(stack.cloud.all("Integration"))
        assert not self.asked(stack.cloud.all(RUNTIME))
        stack.configure(settings())
        done = stack.up()
        assert [str(each).split()[:2] for each in done] == [["update", RUNTIME]]
        assert self.asked(stack.cloud.all(RUNTIME))

    def test_nobody_asks_for_it_any_more_before_it_is_no_longer_sent(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        stack.configure(settings(runtime={"originSecret": {"required": False}}))
        stack.up()
        assert self.sent(stack.cloud.all("Integration"))
        assert not self.asked(stack.cloud.all(RUNTIME))
        stack.configure(settings(runtime={"bypassProtection": "none"}))
        stack.up()
        assert not self.sent(stack.cloud.all("Integration"))

    @staticmethod
    def sent(integrations: list[Properties]) -> bool:
        return any("Origin-Verify" in key for each in integrations for key in each.get("requestParameters") or {})

    @staticmethod
    def asked(runtimes: list[Properties]) -> bool:
        return any("AGENT_ORIGIN_SECRET" in each["environmentVariables"] for each in runtimes)


class TestTheStagesName:
    def test_no_stage_is_ever_without_a_web_acl(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        stack.configure(settings(api={"stageName": "other"}))
        done = stack.up()
        old, new = "firewall-stage-dev", "firewall-stage-other"
        assert position(done, "create", "WebAclAssociation", new) < position(done, "delete", "WebAclAssociation", old)
        assert position(done, "create", "Stage") < position(done, "create", "WebAclAssociation", new)

    def test_a_step_in_between_that_fails_leaves_the_old_one_protected(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        stack.configure(settings(api={"stageName": "other"}))
        stack.cloud.refuses = refusing("create", "MethodSettings")
        with pytest.raises(automation.CommandError):
            stack.up()
        assert not [each for each in stack.cloud.changes if each.what == "delete"]
        protected = {each["resourceArn"].rpartition("/")[2] for each in stack.cloud.all("WebAclAssociation")}
        assert "dev" in protected

    def test_a_host_name_leads_to_the_new_stage_once_it_has_its_web_acl(self, deployed: NewStack) -> None:
        stack = deployed("dev", api={"domain": DOMAIN})
        stack.configure(settings(api={"domain": DOMAIN, "stageName": "other"}))
        done = stack.up()
        mapped = position(done, "update", "BasePathMapping")
        assert position(done, "create", "WebAclAssociation", "firewall-stage-other") < mapped
        assert mapped < position(done, "delete", "Stage")


def test_a_preview_without_the_package_finds_no_change(deployed: NewStack, package_path: Path) -> None:
    stack = deployed("dev")
    kept = package_path.read_bytes()
    package_path.unlink()
    try:
        assert stack.preview() == {}
    finally:
        package_path.write_bytes(kept)


class TestAPageOfItsOwn:
    def test_the_web_acl_knows_the_secret_before_cloudfront_sends_it_and_the_name_comes_last(
        self, deployed: NewStack
    ) -> None:
        stack = deployed("dev")
        stack.configure(settings(**WEBSITE))
        done = stack.up()
        assert position(done, "create", "RandomPassword", "origin-1") < position(
            done, "update", "WebAcl", "dev-firewall"
        )
        served = position(done, "create", "Distribution")
        assert position(done, "update", "WebAcl", "dev-firewall") < served
        assert position(done, "create", "CertificateValidation") < served
        assert served < position(done, "create", "BucketPolicy")
        assert served < position(done, "create", "Record", "website-record")
        assert not [each for each in done if each.what == "delete"]
        assert stack.preview() == {}

    def test_its_secrets_stand_nowhere_in_clear_in_the_state(self, deployed: NewStack) -> None:
        stack = deployed("dev", **WEBSITE)
        (distribution,) = stack.cloud.all("Distribution")
        (sent,) = (each["customHeaders"][0]["value"] for each in distribution["origins"] if "customHeaders" in each)
        rules = json.dumps([each["rules"] for each in stack.cloud.all("WebAcl")])
        known = set(re.findall(r'"searchString": "(\w+)"', rules))
        assert sent in known
        assert len(known) == 2  # and the one that a rotation leaves behind
        state = stack.state()
        assert [value for value in known if value in state] == []

    def test_without_it_the_stage_counts_every_address_again(self, deployed: NewStack) -> None:
        stack = deployed("dev", **WEBSITE)
        stack.configure(settings(firewall=WEBSITE["firewall"]))
        stack.up()
        (acl,) = stack.cloud.all("WebAcl")
        assert "x-origin-verify" not in json.dumps(acl["rules"])
        assert not stack.cloud.all("Distribution")

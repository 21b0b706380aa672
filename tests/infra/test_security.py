"""Invariants of protection over the whole graph: secrets, reach, permissions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.program.evaluate import evaluate
from local.program.graph import Graph, MockedOutputs
from local.program.graph_table import redacted
from local.program.provider import MockProvider
from tests.infra.graphs import EVERYTHING, changed_settings, role_statements, stage_web_acl, variation

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
GATEWAY_RESPONSE = "aws:apigateway/response:Response"
RESOURCE_POLICY = "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"
PASSWORD = "random:index/randomPassword:RandomPassword"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def statements(text: str) -> list[dict[str, Any]]:
    """The statements of a policy document; none when the text is not one."""
    try:
        found = json.loads(text)["Statement"] if '"Statement"' in text else []
    except ValueError:
        return []
    return found if isinstance(found, list) else [found]


class TestSecrets:
    def test_every_input_that_holds_the_origin_secret_is_marked_secret(self, any_graph: Graph) -> None:
        secrets = [each.outputs["result"] for each in any_graph.all(PASSWORD)]
        assert secrets
        holders = set()
        for each in any_graph.resources:
            for name, value in each.inputs.items():
                if any(secret in text for text in texts(value) for secret in secrets):
                    assert name in each.secret_inputs, f"{each.name}.{name} shows the origin secret"
                    holders.add((each.type.rpartition(":")[2], name))
        # The runtime accepts it and the integration sends it; nothing else has any use for it. So do the web ACL and
        # CloudFront with theirs.
        expected = {("AgentcoreAgentRuntime", "environmentVariables"), ("Integration", "requestParameters")}
        if "websiteUrl" in any_graph.outputs:
            expected |= {("WebAcl", "rules"), ("Distribution", "origins")}
        assert holders == expected

    def test_every_output_that_holds_a_secret_is_encrypted_in_the_state(self, any_graph: Graph) -> None:
        secrets = [each.outputs["result"] for each in any_graph.all(PASSWORD)]
        secrets += [each.outputs["value"] for each in any_graph.all("aws:apigateway/apiKey:ApiKey")]
        assert secrets
        for each in any_graph.resources:
            for name, value in each.outputs.items():
                if any(secret in text for text in texts(value) for secret in secrets):
                    assert name in each.secret_outputs, f"{each.name} has a secret in its output {name}"

    def test_no_output_shows_the_origin_secret(self, any_graph: Graph) -> None:
        secrets = [each.outputs["result"] for each in any_graph.all(PASSWORD)]
        assert not any(secret in text for text in texts(dict(any_graph.outputs)) for secret in secrets)

    def test_the_printed_graph_shows_no_secret(self, any_graph: Graph) -> None:
        printed = redacted(any_graph).to_json()
        for each in any_graph.all(PASSWORD):
            assert each.outputs["result"] not in printed
        for each in any_graph.all("aws:apigateway/apiKey:ApiKey"):
            assert each.outputs["value"] not in printed

    def test_what_the_api_sends_the_agent_accepts(self, any_graph: Graph) -> None:
        variables = any_graph.one(RUNTIME).inputs["environmentVariables"]
        sent = [
            value
            for each in any_graph.all("aws:apigateway/integration:Integration")
            for name, value in each.inputs.get("requestParameters", {}).items()
            if name.endswith("-Custom-Origin-Verify")
        ]
        assert sent == [f"'{variables['AGENT_ORIGIN_SECRET']}'"]

    def test_a_rotation_keeps_the_running_sessions_value(self) -> None:
        def values(**generations: int) -> tuple[str, str | None]:
            graph = variation("dev", runtime={"originSecret": generations})
            variables = graph.one(RUNTIME).inputs["environmentVariables"]
            return variables["AGENT_ORIGIN_SECRET"], variables.get("AGENT_ORIGIN_SECRET_PREVIOUS")

        before, _ = values(sent=1)
        prepared = values(sent=1, alsoAccepted=2)
        switched = values(sent=2, alsoAccepted=1)
        assert prepared[0] == before
        assert set(prepared) == set(switched)
        assert switched[0] != before
        assert values(sent=2) == (switched[0], None)


class TestNothingIsPublicThatShouldNotBe:
    def test_the_bucket_is_closed_four_times_and_encrypted(self, dev: Graph) -> None:
        closed = dev.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            assert closed[name] is True

    def test_no_policy_allows_anybody_without_a_condition(self, any_graph: Graph) -> None:
        for each in any_graph.resources:
            # The bearer of a token is nobody to IAM, and AgentCore checks the token before it reads a policy.
            # So it is to API Gateway, whose methods ask for the token by themselves.
            if each.type in ("aws:ec2/vpcEndpoint:VpcEndpoint", "aws:apigateway/restApi:RestApi", RESOURCE_POLICY):
                continue
            for text in texts(dict(each.inputs)):
                for statement in statements(text):
                    if statement["Effect"] == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"}):
                        assert statement.get("Condition"), each.name

    def test_the_load_balancer_is_internal_and_takes_tls_from_the_link_only(self, everything: Graph) -> None:
        assert everything.one("aws:lb/loadBalancer:LoadBalancer").inputs["internal"] is True
        for kind in ("Ingress", "Egress"):
            for rule in everything.all(f"aws:vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule"):
                assert "referencedSecurityGroupId" in rule.inputs
                assert "cidrIpv4" not in rule.inputs
                assert (rule.inputs["fromPort"], rule.inputs["toPort"]) == (443, 443)

    def test_the_private_way_refuses_every_other(self, everything: Graph) -> None:
        policy = everything.one(RESOURCE_POLICY).inputs
        endpoint = everything.one("aws:ec2/vpcEndpoint:VpcEndpoint").id
        denied = [each for each in statements(policy["policy"]) if each["Sid"] == "NoOtherWay"]
        assert [each["Condition"]["StringNotEquals"] for each in denied] == [{"aws:SourceVpce": endpoint}]
        assert all(each["Principal"] == "*" for each in denied)


class TestPartitions:
    def test_nothing_but_the_settings_names_the_partition(self) -> None:
        """In a partition such as aws-us-gov an ARN that begins with arn:aws: names nothing."""
        # An image's repository is known by its host name, which has a Region and no partition.
        everything = {**EVERYTHING, "runtime": {**EVERYTHING["runtime"], "artifact": "code"}}
        graph = evaluate("dev", Elsewhere("us-east-1"), settings=changed_settings("dev", everything))
        assert any("arn:aws-us-gov:" in text for each in graph.resources for text in texts(dict(each.inputs)))
        for each in graph.resources:
            for text in texts(dict(each.inputs)):
                assert "arn:aws:" not in text.replace("arn:aws:bedrock:", ""), each.name  # a model, named in a setting

    def test_the_government_regions_have_host_names_of_their_own(self) -> None:
        region = "us-gov-west-1"
        model = f"arn:aws-us-gov:bedrock:{region}::foundation-model/m"
        settings = changed_settings("dev", {"runtime": {"model": "bedrock:m", "modelArns": [model]}})
        outputs = evaluate("dev", Elsewhere(region), settings={**settings, "aws:region": region}).outputs
        # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
        assert outputs["loginUrl"].endswith(f".auth-fips.{region}.amazoncognito.com")
        assert outputs["dashboardUrl"].startswith(f"https://{region}.console.amazonaws-us-gov.com/cloudwatch/")


class Elsewhere(MockProvider):
    """AWS in another partition."""

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        id_, outputs = super().create(type_, name, inputs)
        moved = json.loads(json.dumps(outputs).replace("arn:aws:", "arn:aws-us-gov:"))
        return id_.replace("arn:aws:", "arn:aws-us-gov:"), moved


class TestLeastPrivilege:
    @staticmethod
    def grants(graph: Graph) -> list[dict[str, Any]]:
        return role_statements(graph)

    def test_only_agentcore_in_this_account_and_region_may_be_the_agent(self, any_graph: Graph) -> None:
        role = next(each for each in any_graph.all("aws:iam/role:Role") if each.name.endswith("-agent"))
        (trusted,) = statements(role.inputs["assumeRolePolicy"])
        account = any_graph.one(RUNTIME).outputs["agentRuntimeArn"].split(":")[4]
        assert trusted["Principal"] == {"Service": "bedrock-agentcore.amazonaws.com"}
        assert trusted["Condition"]["StringEquals"] == {"aws:SourceAccount": account}
        assert trusted["Condition"]["ArnLike"] == {
            "aws:SourceArn": f"arn:aws:bedrock-agentcore:{any_graph.region}:{account}:*"
        }

    def test_models_are_named_one_by_one(self, any_graph: Graph) -> None:
        (models,) = [each for each in self.grants(any_graph) if each["Sid"] == "Models"]
        assert not any("*" in arn or "ACCOUNT" in arn for arn in models["Resource"])

    def test_memory_and_guardrail_are_the_stacks_own(self, everything: Graph) -> None:
        by_name = {each["Sid"]: each for each in self.grants(everything)}
        assert by_name["Memory"]["Resource"] == [
            everything.one("aws:bedrock/agentcoreMemory:AgentcoreMemory").outputs["arn"]
        ]
        assert by_name["Guardrail"]["Resource"][0].endswith(":guardrail/abc123")

    def test_what_a_stack_does_not_use_it_may_not_use(self, dev: Graph) -> None:
        actions = {action for each in self.grants(dev) for action in each["Action"]}
        assert not any(action.startswith(("ecr:", "bedrock-agentcore:", "bedrock:Apply")) for action in actions)


# …/waf/latest/developerguide/aws-managed-rule-groups-baseline.html and …-use-case.html, read in November 2026.
READ_BODIES = {
    "AWSManagedRulesCommonRuleSet": {
        *("SizeRestrictions_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY"),
        "CrossSiteScripting_BODY",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"},
    "AWSManagedRulesSQLiRuleSet": {"SQLi_BODY", "SQLiExtendedPatterns_BODY"},
}


class TestTheWebAcl:
    def test_only_rules_that_read_bodies_merely_count(self, any_graph: Graph) -> None:
        rules = stage_web_acl(any_graph).inputs["rules"]
        managed = [each for each in rules if "managedRuleGroupStatement" in each["statement"]]
        assert managed
        for each in managed:
            assert each["overrideAction"] == {"none": {}}, each["name"]
            for override in each["statement"]["managedRuleGroupStatement"]["ruleActionOverrides"]:
                assert override["name"].endswith("_BODY")
                assert override["actionToUse"] == {"count": {}}

    def test_every_rule_that_reads_bodies_counts(self, any_graph: Graph) -> None:
        groups = [
            each["statement"]["managedRuleGroupStatement"]
            for each in stage_web_acl(any_graph).inputs["rules"]
            if "managedRuleGroupStatement" in each["statement"]
        ]
        counted = {group["name"]: {each["name"] for each in group["ruleActionOverrides"]} for group in groups}
        assert {name: rules for name, rules in counted.items() if rules} == READ_BODIES

    def test_no_prompt_stands_in_its_log_or_in_a_sample(self, any_graph: Graph) -> None:
        protected = stage_web_acl(any_graph).inputs["dataProtectionConfig"]["dataProtections"]
        assert {"action": "SUBSTITUTION", "field": {"fieldType": "BODY"}} in protected

    def test_a_browser_may_read_what_the_web_acl_answers(self, any_graph: Graph) -> None:
        origin = any_graph.one(RUNTIME).inputs["environmentVariables"]["AGENT_ALLOWED_ORIGIN"]
        web_acl = stage_web_acl(any_graph).inputs
        answers = [
            each["action"]["block"]["customResponse"]
            for each in web_acl["rules"]
            if each.get("action", {}).get("block", {}).get("customResponse")
        ]
        limited = any(
            each["name"] == "body-size" and "block" in each["action"] for each in web_acl["rules"] if "action" in each
        )
        assert {each["responseCode"] for each in answers} == ({401, 413, 429} if limited else {401, 429})
        for each in answers:
            assert {"name": "Access-Control-Allow-Origin", "value": origin} in each["responseHeaders"]


class TestRefusalsOfTheGateway:
    def test_each_names_the_problem_and_the_request_and_may_be_read_by_the_page(self, any_graph: Graph) -> None:
        kinds = {each.inputs["responseType"]: each.inputs for each in any_graph.all(GATEWAY_RESPONSE)}
        assert {"UNAUTHORIZED", "THROTTLED", "INTEGRATION_TIMEOUT", "DEFAULT_4XX", "DEFAULT_5XX"} <= set(kinds)
        for inputs in kinds.values():
            body = inputs["responseTemplates"]["application/json"]
            filled = json.loads(body.replace("$context.error.messageString", '"why"'))
            assert set(filled) == {"message", "type", "requestId"}
            assert "gatewayresponse.header.Access-Control-Allow-Origin" in inputs["responseParameters"]

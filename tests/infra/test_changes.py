"""What happens to a stack that runs: in which order it changes, what replaces what, and what a change may not lose."""

from __future__ import annotations

import pytest

from local.program.graph import Graph, Resource
from tests.infra.graphs import environment_graph, variation, waits_for

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
INTEGRATION = "aws:apigateway/integration:Integration"
DEPLOYMENT = "aws:apigateway/deployment:Deployment"
STAGE = "aws:apigateway/stage:Stage"
ENDPOINT = "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
VPC_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
VPC_LINK = "aws:apigatewayv2/vpcLink:VpcLink"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


class TestTheDeploymentsOrder:
    def test_the_snapshot_is_taken_after_every_part_of_the_api(self, any_graph: Graph) -> None:
        deployment = any_graph.one("aws:apigateway/deployment:Deployment")
        served = ("Method", "Integration", "MethodResponse", "IntegrationResponse", "Response", "Authorizer", "Model")
        for each in any_graph.resources:
            if each.type.startswith("aws:apigateway/") and each.type.rpartition(":")[2] in served:
                assert each.urn in deployment.depends_on, each.name

    def test_the_runtime_waits_for_its_permissions(self, any_graph: Graph) -> None:
        policies = {each.urn for each in any_graph.all("aws:iam/rolePolicy:RolePolicy") if "-agent-" in each.name}
        assert policies
        assert policies <= set(any_graph.one(RUNTIME).depends_on)

    def test_a_named_endpoint_follows_the_runtime(self) -> None:
        prod = environment_graph("prod")
        endpoint = prod.one(ENDPOINT)
        assert endpoint.inputs["agentRuntimeVersion"] == prod.one(RUNTIME).outputs["agentRuntimeVersion"]
        assert prod.outputs["qualifier"] == endpoint.inputs["name"]

    def test_what_calls_a_named_endpoint_waits_for_it(self) -> None:
        prod = environment_graph("prod")
        for calling in (streaming(prod), prod.one(DEPLOYMENT), prod.one(STAGE)):
            assert prod.one(ENDPOINT).urn in waits_for(prod, calling), calling.name

    def test_a_named_endpoint_finds_its_log_group(self) -> None:
        prod = environment_graph("prod")
        groups = {each.urn for each in prod.all(LOG_GROUP) if "bedrock-agentcore" in each.inputs["name"]}
        assert len(groups) == 2
        assert groups <= set(prod.one(ENDPOINT).depends_on)

    def test_requests_take_the_private_way_once_it_leads_somewhere(self, everything: Graph) -> None:
        way = ("aws:lb/listener:Listener", "aws:lb/targetGroupAttachment:TargetGroupAttachment", VPC_LINK, VPC_ENDPOINT)
        needed = {each.urn for type_ in way for each in everything.all(type_)}
        assert len(needed) == 5
        assert needed <= waits_for(everything, streaming(everything))

    def test_the_public_way_is_closed_once_the_stage_takes_the_private_one(self, everything: Graph) -> None:
        policy = everything.one("aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy")
        before = waits_for(everything, policy)
        for each in (streaming(everything), everything.one(DEPLOYMENT), everything.one(STAGE)):
            assert each.urn in before, each.name

    def test_the_accounts_log_role_outlives_the_stack(self, everything: Graph) -> None:
        for each in everything.resources:
            if "-gateway-" in each.name:
                assert each.retain_on_delete, each.name
        stage = everything.one("aws:apigateway/stage:Stage")
        assert everything.one("aws:apigateway/account:Account").urn in stage.depends_on


class TestReplacements:
    @pytest.mark.parametrize(
        "type_",
        [
            "aws:wafv2/webAclAssociation:WebAclAssociation",
            "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
            "aws:cognito/userPoolDomain:UserPoolDomain",
        ],
    )
    def test_what_there_can_be_one_of_is_deleted_before_its_replacement_is_made(
        self, any_graph: Graph, type_: str
    ) -> None:
        found = any_graph.all(type_)
        assert found
        assert [each.name for each in found if not each.delete_before_replace] == []

    def test_removing_a_subscriber_touches_no_other(self) -> None:
        def subscriptions(*addresses: str) -> dict[str, str]:
            graph = variation("dev", observability={"alarms": True, "subscribers": list(addresses)})
            return {each.urn: each.inputs["endpoint"] for each in graph.all(SUBSCRIPTION)}

        assert subscriptions("b@example.com").items() < subscriptions("a@example.com", "b@example.com").items()

    def test_the_other_kind_of_artifact_is_a_runtime_of_another_name(self, dev: Graph, everything: Graph) -> None:
        kinds = {}
        for graph in (dev, everything):
            (kind,) = graph.one(RUNTIME).inputs["agentRuntimeArtifact"]
            kinds[kind] = graph.one(RUNTIME).inputs["agentRuntimeName"]
        assert len(kinds) == len(set(kinds.values())) == 2

    def test_a_page_that_is_no_longer_allowed_is_refused_at_once(self) -> None:
        """What is no longer declared goes on answering from the snapshot, so nothing may be left out."""
        before, after = environment_graph("dev"), variation("dev", api={"allowedOrigin": ""})
        assert [each.urn for each in after.resources] == [each.urn for each in before.resources]
        sent = [
            parameter
            for each in after.resources
            if each.type != "aws:apigateway/methodResponse:MethodResponse"  # which says what may be sent
            for parameter in each.inputs.get("responseParameters") or {}
        ]
        assert sent
        assert not [parameter for parameter in sent if "Access-Control" in parameter]

    def test_a_store_of_what_can_be_built_again_is_deleted_with_what_is_in_it(self, dev: Graph) -> None:
        """AWS deletes neither a bucket nor a repository that is not empty."""
        assert dev.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True
        container = variation("dev", runtime={"artifact": "container"})
        assert container.one("awsx:ecr:Repository").inputs["forceDelete"] is True

    def test_an_address_is_one_user_however_it_is_written(self, any_graph: Graph) -> None:
        """Cognito tells capitals apart unless it is told not to when the pool is made, and never changes it."""
        pool = any_graph.one("aws:cognito/userPool:UserPool")
        assert pool.inputs["usernameConfiguration"] == {"caseSensitive": False}


class TestProduction:
    def test_what_cannot_be_made_again_is_not_lost_by_a_slip(self) -> None:
        prod = environment_graph("prod")
        protected = {each.type.rpartition(":")[2] for each in prod.resources if each.protect}
        assert protected == {"UserPool", "UserPoolClient", "AgentcoreMemory", "RestApi", "LogGroup"}
        assert prod.one("aws:cognito/userPool:UserPool").inputs["deletionProtection"] == "ACTIVE"
        for each in prod.all(LOG_GROUP):
            # The agent's go with the runtime's id: protecting one would forbid a runtime's replacement.
            assert each.retain_on_delete if "bedrock-agentcore" in each.inputs["name"] else each.protect

    def test_what_belongs_to_the_users_is_protected_together(self) -> None:
        """A pool without its app client, or without the groups' members, is of no use to the pages that know it."""
        prod = variation("prod", identity={"groups": ["admins"]})
        kinds = ("UserPool", "UserPoolClient", "UserGroup")
        found = {each.type.rpartition(":")[2]: each.protect for each in prod.resources}
        assert [found[kind] for kind in kinds] == [True] * 3

    def test_a_stack_that_may_be_lost_can_be_destroyed(self) -> None:
        assert not [each for each in environment_graph("dev").resources if each.protect]


def streaming(graph: Graph) -> Resource:
    """The integration that calls the runtime."""
    (found,) = [each for each in graph.all(INTEGRATION) if "bedrock-agentcore" in each.inputs.get("uri", "")]
    return found

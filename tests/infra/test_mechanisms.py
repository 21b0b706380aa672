"""The four mechanisms that make an answer stream through the whole chain, read off the declared graph.

The fourth, an agent that never blocks, is the agent's own; what the graph owes it is the address and the header.
"""

from __future__ import annotations

import re

from local.program.graph import Graph, Resource
from tests.infra.graphs import variation

INTEGRATION = "aws:apigateway/integration:Integration"
METHOD = "aws:apigateway/method:Method"
AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
POOL = "aws:cognito/userPool:UserPool"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"


def streaming_integration(graph: Graph) -> Resource:
    facing = [each for each in graph.all(INTEGRATION) if "bedrock-agentcore" in each.inputs.get("uri", "")]
    assert len(facing) == 1
    return facing[0]


def token_check_of_runtime(graph: Graph) -> dict[str, object]:
    check = graph.one(RUNTIME).inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    assert isinstance(check, dict)
    return check


class TestIdTokenIsTakenTwice:
    def test_gateway_takes_id_tokens_because_no_method_names_scopes(self, graph: Graph) -> None:
        asked = [method for method in graph.all(METHOD) if method.inputs["httpMethod"] != "OPTIONS"]
        assert asked
        for method in asked:
            assert method.inputs["authorization"] == "COGNITO_USER_POOLS"
            assert not method.inputs.get("authorizationScopes")

    def test_gateway_takes_tokens_of_this_pool_only(self, graph: Graph) -> None:
        assert graph.one(AUTHORIZER).inputs["providerArns"] == [graph.one(POOL).outputs["arn"]]

    def test_gateway_takes_tokens_of_this_client_only(self, graph: Graph) -> None:
        audience = graph.one(AUTHORIZER).inputs["identityValidationExpression"]
        client = graph.one(CLIENT).id
        assert re.search(audience, client)
        assert not re.search(audience, client + "x")
        assert not re.search(audience, "x" + client)

    def test_runtime_reads_the_keys_of_the_same_pool(self, graph: Graph) -> None:
        pool = graph.one(POOL)
        expected = f"https://cognito-idp.{graph.region}.amazonaws.com/{pool.id}/.well-known/openid-configuration"
        assert token_check_of_runtime(graph)["discoveryUrl"] == expected

    def test_runtime_checks_the_audience_and_nothing_that_an_id_token_lacks(self, graph: Graph) -> None:
        check = token_check_of_runtime(graph)
        assert check["allowedAudiences"] == [graph.one(CLIENT).id]
        assert not check.get("allowedClients")
        assert not check.get("allowedScopes")

    def test_runtime_asks_what_kind_of_token_it_is(self, graph: Graph) -> None:
        value = {"claimMatchOperator": "EQUALS", "claimMatchValue": {"matchValueString": "id"}}
        assert token_check_of_runtime(graph)["customClaims"] == [
            {
                "inboundTokenClaimName": "token_use",
                "inboundTokenClaimValueType": "STRING",
                "authorizingClaimMatchValue": value,
            }
        ]

    def test_the_kind_is_not_asked_where_the_setting_says_so(self) -> None:
        unasked = token_check_of_runtime(variation("dev", runtime={"checkTokenUse": False}))
        assert not unasked.get("customClaims")

    def test_the_header_travels_on_to_the_runtime_and_to_the_agent(self, graph: Graph) -> None:
        mapping = streaming_integration(graph).inputs["requestParameters"]
        assert mapping["integration.request.header.Authorization"] == "method.request.header.Authorization"
        forwarded = graph.one(RUNTIME).inputs["requestHeaderConfiguration"]["requestHeaderAllowlists"]
        assert "Authorization" in forwarded


class TestOnlyInvocationsStreams:
    def test_address_is_the_runtime_by_id_and_nothing_after_invocations(self, graph: Graph) -> None:
        runtime = graph.one(RUNTIME)
        expected = f"https://bedrock-agentcore.{graph.region}.amazonaws.com/runtimes/{runtime.id}/invocations"
        assert streaming_integration(graph).inputs["uri"] == expected

    def test_qualifier_and_account_are_literals_of_the_mapping(self, graph: Graph) -> None:
        mapping = streaming_integration(graph).inputs["requestParameters"]
        account = graph.one(RUNTIME).outputs["agentRuntimeArn"].split(":")[4]
        assert mapping["integration.request.querystring.qualifier"] == f"'{graph.outputs['qualifier']}'"
        assert mapping["integration.request.querystring.accountId"] == f"'{account}'"

    def test_integration_stands_on_the_method_that_is_exported(self, graph: Graph) -> None:
        integration = streaming_integration(graph)
        resource = graph.one("aws:apigateway/resource:Resource")
        assert integration.inputs["resourceId"] == resource.id
        assert graph.outputs["invokeUrl"].endswith(f"/{graph.outputs['stageName']}/{resource.inputs['pathPart']}")


class TestIntegrationStreams:
    def test_transfer_mode_is_stream_on_a_raw_proxy(self, graph: Graph) -> None:
        inputs = streaming_integration(graph).inputs
        assert inputs["responseTransferMode"] == "STREAM"
        assert inputs["type"] == "HTTP_PROXY"
        assert inputs["integrationHttpMethod"] == "POST"

    def test_timeout_is_raised_above_the_29_seconds_that_stay_by_default(self, graph: Graph) -> None:
        assert 29_000 < streaming_integration(graph).inputs["timeoutMilliseconds"] <= 900_000

    def test_nothing_rewrites_the_answer(self, graph: Graph) -> None:
        integration = streaming_integration(graph)
        assert "contentHandling" not in integration.inputs
        answers = [
            answer
            for answer in graph.all("aws:apigateway/integrationResponse:IntegrationResponse")
            if answer.inputs["httpMethod"] == integration.inputs["httpMethod"]
        ]
        assert answers == []
        assert "minimumCompressionSize" not in graph.one("aws:apigateway/restApi:RestApi").inputs


class TestAgentIsHeardInTime:
    def test_heartbeat_comes_at_least_twice_before_the_gateway_gives_up(self, graph: Graph) -> None:
        variables = graph.one(RUNTIME).inputs["environmentVariables"]
        assert 2 * float(variables["AGENT_HEARTBEAT_SECONDS"]) <= graph.outputs["idleTimeoutSeconds"]

    def test_agent_gives_up_before_the_gateway_does_so_that_it_can_say_so(self, graph: Graph) -> None:
        variables = graph.one(RUNTIME).inputs["environmentVariables"]
        assert float(variables["AGENT_RUN_SECONDS"]) < graph.outputs["timeoutSeconds"]

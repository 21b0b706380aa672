"""What a graph declares and the local run does not do: said by ``python -m local status``, never passed over."""

from __future__ import annotations

import json

from contract import Kind
from local.planes.gateway.firewall import web_acl_from_graph
from local.processes.env_file import read_env_file
from local.program.graph import Graph

# Declared resource types that nothing on loopback stands for, and what is missing without them.
UNSERVED = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarms: nothing watches the metrics",
    "aws:cloudwatch/dashboard:Dashboard": "the dashboard: there are no metrics to show",
    "aws:bedrock/agentcoreMemory:AgentcoreMemory": "AgentCore Memory: history lives in the agent's process",
    Kind.DOMAIN_NAME: "the custom domain: the API answers on loopback",
    "aws:apigateway/vpcLink:VpcLink": "the VPC link: the runtime is reached directly",
    Kind.DISTRIBUTION: "CloudFront: the gateway serves the page itself, and the stage's web ACL counts every address",
    "aws:apigatewayv2/vpcLink:VpcLink": "the VPC link: the runtime is reached directly",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "the VPC endpoint: the resource policy's condition on it is not evaluated",
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": "the login page's branding",
    Kind.ROLE: "IAM: roles and policies are declared, and nothing is refused by them",
}

# The statement of an API's policy that refuses nobody; every API has one, so that it keeps none of a private API's.
ANYBODY_MAY_CALL = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*",
}


def not_emulated(graph: Graph) -> list[str]:
    """A line for everything that the graph declares and the local run leaves out."""
    acl = web_acl_from_graph(graph)
    lines = [f"web ACL: {name} is listed, not evaluated" for name in (acl.not_evaluated if acl else ())]
    if any(_restricts(api.inputs.get("policy")) for api in graph.all(Kind.REST_API)):
        lines.append("the API's resource policy: every caller on loopback may call")
    runtime = graph.one(Kind.RUNTIME)
    secrets = json.loads((runtime.inputs.get("environmentVariables") or {}).get("AGENT_SECRETS") or "{}")
    missing = sorted(set(secrets) - set(read_env_file()))
    lines += [f"the secret {name}: it has no value here; write {name}=... into .env.local" for name in missing]
    declared = {resource.type for resource in graph.resources}
    return lines + [line for type_, line in UNSERVED.items() if type_ in declared]


def _restricts(policy: str | None) -> bool:
    """Whether an API's policy may refuse somebody: it says anything but that anybody may call all of the API."""
    return policy is not None and json.loads(policy).get("Statement") != [ANYBODY_MAY_CALL]

"""Lists what a graph declares and the local run does not emulate, for ``python -m local status``."""

from __future__ import annotations

import json

from contract import Kind
from local.planes.gateway.firewall import web_acl_from_graph
from local.processes.env_file import read_env_file
from local.program.graph import Graph

# Declared resource types that are not emulated, and what is missing without them.
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
    Kind.ROLE: "IAM: roles and policies are declared and not enforced",
}

# The statement that allows every caller. Every API has it, so that an API that was private keeps no other statement.
ALLOW_ALL = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*",
}


def not_emulated(graph: Graph) -> list[str]:
    """One line for each declared thing that the local run does not emulate."""
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
    """Whether an API's policy has any statement but `ALLOW_ALL`, so that it may refuse a caller."""
    return policy is not None and json.loads(policy).get("Statement") != [ALLOW_ALL]

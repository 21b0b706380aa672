"""The dev stack once more, as a CDK app: a peer for the benchmark, which nobody deploys.

`cdk synth` of this app is what the Pulumi program's evaluation is measured beside, so both have to declare the same
system; `tests/bench/test_cdk.py` compares them kind by kind. It takes constructs of the second level where CDK
has them and its user would take them, and CloudFormation's own elsewhere. It runs in an environment of its own
(`bench.synth`), with nothing of the project.
"""

from aws_cdk import App, CfnOutput, Environment, Stack, Tags

from bench.cdk.agent import Agent
from bench.cdk.api import StreamingApi
from bench.cdk.firewall import Firewall
from bench.cdk.identity import Identity
from bench.cdk.observability import Observability

NAME = "agent-stream-dev"
ORIGIN = "http://localhost:5173"

app = App(analytics_reporting=False)
stack = Stack(app, NAME, env=Environment(account="000000000000", region="us-east-1"))
Tags.of(stack).add("project", "agent-stream")
Tags.of(stack).add("stack", "dev")

identity = Identity(stack, "Identity", name=NAME, origin=ORIGIN)
agent = Agent(stack, "Agent", name=NAME, origin=ORIGIN, identity=identity)
api = StreamingApi(stack, "Api", name=NAME, stage="dev", origin=ORIGIN, identity=identity, agent=agent)
firewall = Firewall(stack, "Firewall", name=NAME, origin=ORIGIN, protects=api.stage_arn)
Observability(stack, "Observability", name=NAME, api=api, runtime_id=agent.runtime_id)

OUTPUTS = {
    "apiUrl": api.url,
    "invokeUrl": f"{api.url}invocations",
    "userPoolId": identity.users.user_pool_id,
    "userPoolClientId": identity.client.user_pool_client_id,
    "issuer": identity.issuer,
    "loginUrl": identity.login.base_url(),
    "runtimeArn": agent.runtime_arn,
    "runtimeId": agent.runtime_id,
    "webAclArn": firewall.acl.attr_arn,
}
for output, value in OUTPUTS.items():
    CfnOutput(stack, output, value=value)

app.synth()

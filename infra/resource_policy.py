"""The closing of the public way to the runtime, once the private one carries the API's requests."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws


class ResourcePolicy(pulumi.ComponentResource):
    """The runtime takes requests from one VPC endpoint only, whatever token they carry.

    Pulumi type: ``agentstream:infra:ResourcePolicy``. Produces ``bedrock.AgentcoreResourcePolicy``. Leaves the way
    through the endpoint to `PrivateEdge`. It refuses from the moment that it is there, so it comes last: ``after`` is
    what must have switched to the private way before.
    """

    def __init__(
        self,
        name: str,
        *,
        runtime_arn: pulumi.Output[str],
        endpoint_id: pulumi.Output[str],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("agentstream:infra:ResourcePolicy", name, None, opts)
        aws.bedrock.AgentcoreResourcePolicy(
            f"{name}-only-privately",
            resource_arn=runtime_arn,
            policy=pulumi.Output.json_dumps(_document(runtime_arn, endpoint_id)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        self.register_outputs({})


def _document(runtime_arn: pulumi.Output[str], endpoint_id: pulumi.Output[str]) -> dict[str, object]:
    """Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/resource-based-policies.html."""
    invoke = {"Principal": "*", "Action": "bedrock-agentcore:InvokeAgentRuntime", "Resource": runtime_arn}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyThroughTheEndpoint",
                "Effect": "Allow",
                **invoke,
                "Condition": {"StringEquals": {"aws:SourceVpce": endpoint_id}},
            },
            {
                "Sid": "NoOtherWay",
                "Effect": "Deny",
                **invoke,
                "Condition": {
                    "StringNotEquals": {"aws:SourceVpce": endpoint_id},
                    "Bool": {"aws:ViaAWSService": "false"},
                },
            },
        ],
    }

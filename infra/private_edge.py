"""The private path from the API to the runtime; `infra.resource_policy` closes the public one.

    API Gateway → VPC link → network load balancer → interface endpoint → AgentCore

The load balancer passes TCP through, so the certificate that API Gateway checks is AgentCore's own: the integration's
address stays the public one. Declared and tested against AWS's service models, **not exercised on AWS**: that API
Gateway accepts AgentCore's certificate behind a VPC link, and that the stream passes unbuffered, is inferred from
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-private-integration.html and
https://aws.amazon.com/blogs/machine-learning/securing-amazon-bedrock-agentcore-runtime-with-aws-waf.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from infra.component import Component, StackContext
from infra.runtime import Runtime
from infra.settings.network import NetworkSettings

if TYPE_CHECKING:
    import pulumi_awsx as awsx

SUBNET_PREFIX = 27
"""Enough addresses for a load balancer, an endpoint and the link's interfaces in each zone."""

ENDPOINT_HOST = 10
"""The index of the endpoint's address in each subnet. Fixed, so that the load balancer's targets need no look-up."""


class PrivateEdge(Component):
    """A VPC without internet, through which the API reaches the runtime.

    Pulumi type: ``agentstream:infra:PrivateEdge``. Produces ``awsx.ec2.Vpc``, three ``ec2.SecurityGroup`` with their
    rules, ``ec2.VpcEndpoint``, ``lb.LoadBalancer``, ``TargetGroup``, ``TargetGroupAttachment``, ``Listener`` and
    ``apigatewayv2.VpcLink``. Leaves the integration to `StreamingApi`, and the refusal of requests by any
    other path to `ResourcePolicy`.
    """

    vpc_link_id: pulumi.Output[str]
    load_balancer_arn: pulumi.Output[str]
    endpoint_id: pulumi.Output[str]

    def __init__(
        self,
        stack: StackContext,
        settings: NetworkSettings,
        *,
        runtime: Runtime,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; in a protected stack Pulumi refuses to delete any of its resources, and AWS the load balancer."""
        super().__init__("PrivateEdge", stack, opts)
        name = stack.name
        self._child = self._kept  # the only path to the runtime needs all of them
        networks = list(ipaddress.IPv4Network(settings.cidr).subnets(new_prefix=SUBNET_PREFIX))[: len(settings.zones)]

        vpc = self._vpc(settings, networks)
        subnets = vpc.isolated_subnet_ids
        link, balancer, endpoint = (self._group(vpc, kind) for kind in ("link", "balancer", "endpoint"))
        self._allow_tls("link-to-balancer", link, balancer)
        self._allow_tls("balancer-to-endpoint", balancer, endpoint)

        agentcore = aws.ec2.VpcEndpoint(
            f"{name}-agentcore",
            vpc_id=vpc.vpc_id,
            service_name=f"com.amazonaws.{stack.region}.bedrock-agentcore",
            vpc_endpoint_type="Interface",
            private_dns_enabled=False,  # reached by its addresses, through the load balancer
            subnet_ids=subnets,
            subnet_configurations=[
                {"subnet_id": subnets[index], "ipv4": str(network[ENDPOINT_HOST])}
                for index, network in enumerate(networks)
            ],
            security_group_ids=[endpoint.id],
            policy=pulumi.Output.json_dumps(_endpoint_policy(runtime.arn)),
            opts=self._child,
        )
        self.load_balancer_arn = self._balancer(vpc, balancer, agentcore, networks)
        self.vpc_link_id = aws.apigatewayv2.VpcLink(
            f"{name}-link", subnet_ids=subnets, security_group_ids=[link.id], opts=self._child
        ).id
        self.endpoint_id = agentcore.id
        self.register_outputs({"vpcLinkId": self.vpc_link_id, "loadBalancerArn": self.load_balancer_arn})

    def _vpc(self, settings: NetworkSettings, networks: list[ipaddress.IPv4Network]) -> awsx.ec2.Vpc:
        import pulumi_awsx as awsx  # noqa: PLC0415 - slow to load, and only a stack with a private edge needs it

        return awsx.ec2.Vpc(
            f"{self._name}-private",
            cidr_block=settings.cidr,
            # Named, because awsx would otherwise look the zones up.
            availability_zone_names=[f"{self._stack.region}{zone}" for zone in settings.zones],
            nat_gateways={"strategy": awsx.ec2.NatGatewayStrategy.NONE},
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            subnet_specs=[
                {"type": awsx.ec2.SubnetType.ISOLATED, "cidr_blocks": [str(network) for network in networks]}
            ],
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=self._child,
        )

    def _group(self, vpc: awsx.ec2.Vpc, kind: str) -> aws.ec2.SecurityGroup:
        """A security group without rules: no traffic in or out."""
        return aws.ec2.SecurityGroup(
            f"{self._name}-{kind}",
            description=f"The {kind} of the private way to AgentCore.",
            vpc_id=vpc.vpc_id,
            opts=self._child,
        )

    def _allow_tls(self, name: str, source: aws.ec2.SecurityGroup, target: aws.ec2.SecurityGroup) -> None:
        """Allow TLS from one group to another."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{name}-out",
            security_group_id=source.id,
            referenced_security_group_id=target.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{name}-in",
            security_group_id=target.id,
            referenced_security_group_id=source.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self._child,
        )

    def _balancer(
        self,
        vpc: awsx.ec2.Vpc,
        group: aws.ec2.SecurityGroup,
        endpoint: aws.ec2.VpcEndpoint,
        networks: list[ipaddress.IPv4Network],
    ) -> pulumi.Output[str]:
        balancer = aws.lb.LoadBalancer(
            f"{self._name}-private",
            # AWS allows 32 characters; Pulumi would add its own to the resource's name.
            name_prefix="agent-",
            load_balancer_type="network",
            internal=True,
            subnets=vpc.isolated_subnet_ids,
            security_groups=[group.id],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=self._stack.protect,
            opts=self._child,
        )
        targets = aws.lb.TargetGroup(
            f"{self._name}-endpoint",
            name_prefix="agent-",
            vpc_id=vpc.vpc_id,
            target_type="ip",
            protocol="TCP",
            port=443,
            preserve_client_ip="false",
            health_check={"protocol": "TCP", "port": "443"},
            opts=self._child,
        )
        for index, network in enumerate(networks):
            aws.lb.TargetGroupAttachment(
                f"{self._name}-endpoint-{index}",
                target_group_arn=targets.arn,
                target_id=str(network[ENDPOINT_HOST]),
                port=443,
                opts=pulumi.ResourceOptions.merge(self._kept, pulumi.ResourceOptions(depends_on=[endpoint])),
            )
        aws.lb.Listener(
            f"{self._name}-private",
            load_balancer_arn=balancer.arn,
            protocol="TCP",
            port=443,
            default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
            # A stream may be silent for as long as API Gateway allows.
            tcp_idle_timeout_seconds=350,
            opts=self._child,
        )
        return balancer.arn


def _endpoint_policy(runtime_arn: pulumi.Output[str]) -> dict[str, object]:
    """Allow this runtime only. IAM has no principal for a caller with a JWT, hence ``*``.

    Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/vpc-interface-endpoints.html
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "bedrock-agentcore:InvokeAgentRuntime",
                "Resource": [runtime_arn, pulumi.Output.concat(runtime_arn, "/*")],
            }
        ],
    }

"""Unit tests of `infra.private_edge` with Pulumi's mocks."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi

from infra.private_edge import PrivateEdge
from infra.settings.network import NetworkSettings
from tests.infra.unit.mocks import STACK, AwsMocks
from tests.infra.unit.parts import a_runtime


@pulumi.runtime.test
def test_the_link_leads_to_the_endpoint_of_this_runtime_alone(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    runtime = a_runtime(package)
    edge = PrivateEdge(STACK, NetworkSettings(), runtime=runtime)

    def check(arn: str, endpoint: str, _link: str) -> None:
        assert endpoint.startswith("vpce-")
        (statement,) = json.loads(aws.inputs("VpcEndpoint")["policy"])["Statement"]
        assert statement["Resource"] == [arn, f"{arn}/*"]
        assert aws.inputs("Vpc")["natGateways"] == {"strategy": "None"}

    return aws.after(check, runtime.arn, edge.endpoint_id, edge.vpc_link_id)

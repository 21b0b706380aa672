"""Unit tests of `infra.image` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.image import ContainerImage
from tests.infra.unit.mocks import STACK, AwsMocks


@pulumi.runtime.test
def test_the_runtime_is_given_the_image_by_its_digest(aws: AwsMocks) -> pulumi.Output[None]:
    def check(artifact: dict[str, Any]) -> None:
        assert "@sha256:" in artifact["container_configuration"]["container_uri"]
        assert aws.inputs("Image")["platform"] == "linux/arm64"
        assert aws.inputs("Repository")["imageTagMutability"] == "IMMUTABLE"

    made = ContainerImage(STACK, telemetry=False)
    return aws.after(check, made.runtime_artifact)


@pulumi.runtime.test
def test_only_the_stacks_own_repository_is_granted(aws: AwsMocks) -> pulumi.Output[None]:
    def check(grants: list[dict[str, Any]]) -> None:
        pull = next(grant for grant in grants if grant["Sid"] == "Image")
        assert pull["Resource"] == ["arn:aws:ecr:us-east-1:000000000000:repository/unit-agent"]

    made = ContainerImage(STACK, telemetry=False)
    return aws.after(check, made.grant.statements)

"""Unit tests of `infra.artifact` with Pulumi's mocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from infra.artifact import CodePackage
from tests.infra.unit.mocks import STACK, AwsMocks


def code_package(path: Path, *, telemetry: bool = False) -> CodePackage:
    return CodePackage(STACK, package=path, telemetry=telemetry)


@pulumi.runtime.test
def test_the_runtime_is_given_the_uploaded_package(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check(artifact: dict[str, Any]) -> None:
        uploaded = aws.inputs("BucketObjectv2")
        where = artifact["code_configuration"]["code"]["s3"]
        assert where["prefix"] == uploaded["key"] == package.name
        assert uploaded["source"].path == str(package)

    return aws.after(check, code_package(package).runtime_artifact)


@pulumi.runtime.test
def test_only_the_stacks_own_packages_are_granted(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check(grants: list[dict[str, Any]]) -> None:
        (grant,) = grants
        assert grant["Action"] == ["s3:GetObject"]
        assert [resource.partition("/")[2] for resource in grant["Resource"]] == ["agent-*.zip"]

    return aws.after(check, code_package(package).grant.statements)


@pulumi.runtime.test
def test_the_bucket_refuses_plain_http(package: Path, aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert '"aws:SecureTransport": "false"' in aws.inputs("BucketPolicy")["policy"]

    code_package(package)
    return aws.after(check)

"""The artifact that AgentCore runs: the agent's deployment package in a private bucket, or an image.

``make package`` builds the package outside of Pulumi, `package.contents` names it, and this module uploads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pulumi
import pulumi_aws as aws

from infra.bucket import PrivateBucket
from infra.component import Component, StackContext
from infra.encryption import EncryptionKey
from infra.permissions import Grant, allow
from package.contents import ROOT


class Artifact(Protocol):
    """The agent in a form that AgentCore can run."""

    grant: Grant
    """What the agent's role needs so that AgentCore can fetch the artifact."""
    runtime_artifact: aws.bedrock.AgentcoreAgentRuntimeAgentRuntimeArtifactArgsDict
    """The runtime's argument."""


class CodePackage(Component):
    """The package in S3, readable only by a role whose policy names it.

    Pulumi type: ``agentstream:infra:CodePackage``. Produces ``s3.Bucket`` with its ``BucketVersioning``,
    ``BucketServerSideEncryptionConfiguration``, ``BucketPublicAccessBlock``, ``BucketPolicy``, and the
    ``s3.BucketObjectv2``. Leaves the grant to read it to the runtime's role.

    Packages of earlier deployments stay until the bucket is deleted, so that the running agent can still read its own
    if a deployment fails half-way. Only the runtime knows which package is live, so no lifecycle rule deletes by age.
    """

    grant: Grant
    runtime_artifact: aws.bedrock.AgentcoreAgentRuntimeAgentRuntimeArtifactArgsDict

    def __init__(
        self,
        stack: StackContext,
        *,
        package: Path,
        telemetry: bool,
        key: EncryptionKey | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the bucket and the package at a path; with ``telemetry`` the agent is started under OpenTelemetry.

        A protected stack's bucket is not deleted while it holds packages; ``key`` encrypts it in place of S3's own.
        """
        super().__init__("CodePackage", stack, opts)
        name = stack.name
        private = PrivateBucket(f"{name}-code", keep=stack.protect, key=key, opts=self._child)
        private.set_policy(f"{name}-code-tls-only")
        bucket = private.bucket
        uploaded = aws.s3.BucketObjectv2(
            f"{name}-code-package",
            bucket=bucket.id,
            key=package.name,
            source=_asset(package),
            opts=pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=True,
                # The placeholder of a preview without the package is not a change.
                ignore_changes=None if package.exists() else ["source"],
            ),
        )
        # AWS's page on permissions does not list s3:GetObject, the one on code deployment does
        # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-get-started-code-deploy-python.html).
        # It is for all packages in the bucket: a grant for one key would change at each deployment, would have to reach
        # all of IAM before AgentCore first uses it, and would revoke the package of the running agent.
        packages = pulumi.Output.concat(bucket.arn, "/agent-*.zip")
        statements = [allow("Package", ["s3:GetObject"], [packages])]
        statements += [] if key is None else [key.grant]
        self.grant = Grant("code", [str(key is not None)], statements)
        self.runtime_artifact = {
            "code_configuration": {
                "code": {"s3": {"bucket": bucket.bucket, "prefix": uploaded.key}},
                "runtime": "PYTHON_3_13",
                "entry_points": ["opentelemetry-instrument", "main.py"] if telemetry else ["main.py"],
            }
        }
        self.register_outputs({"bucket": bucket.bucket, "key": uploaded.key})


def _asset(path: Path) -> pulumi.Asset:
    """The package; in a preview a placeholder when it is not built.

    Raises:
        pulumi.RunError: when it is not built and this is a deployment.
    """
    if path.exists():
        return pulumi.FileAsset(str(path))
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    missing = f"The agent's package {shown} is not built"
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"{missing}, so there is nothing to deploy: run `make package` first.")
    # The engine reads a file as soon as it is declared, in a preview too, and would fail if it is missing.
    pulumi.log.warn(f"{missing} yet; a preview does without it, a deployment needs `make package` first.")
    return pulumi.StringAsset("not built")

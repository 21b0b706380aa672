"""What AgentCore runs: the agent's deployment package in a private bucket, or what stands in its place.

``make package`` builds the package outside of Pulumi; this module names it and uploads it. Its name is a digest of
everything it is built from, so the program can be evaluated before the package exists, and a changed agent is a
changed S3 key: AgentCore sees a new argument and deploys it. A new object under an old key would change no argument,
and old code would go on running.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pulumi
import pulumi_aws as aws

from infra.permissions import Statement, allow

ROOT = Path(__file__).resolve().parent.parent
BUILDER = ROOT / "tools" / "package.py"


def package_inputs() -> Iterator[Path]:
    """Every file that decides what is in the package: the agent's sources, its pinned requirements, the builder."""
    agent = ROOT / "agent"
    yield from sorted(path for path in agent.rglob("*.py") if "__pycache__" not in path.parts)
    yield agent / "requirements.txt"
    yield BUILDER


def package_digest() -> str:
    """SHA-256 over the names and contents of `package_inputs`, in hexadecimal, cut to 16 characters."""
    digest = hashlib.sha256()
    for path in package_inputs():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def package_path() -> Path:
    """Where ``make package`` puts the package that belongs to the present sources."""
    return ROOT / "dist" / f"agent-{package_digest()}.zip"


class Artifact(Protocol):
    """Something that AgentCore can run."""

    grants: list[Statement]
    """What the agent's role needs so that AgentCore can fetch it."""

    def runtime_artifact(self, *, telemetry: bool) -> aws.bedrock.AgentcoreAgentRuntimeAgentRuntimeArtifactArgsDict:
        """The runtime's argument; with ``telemetry`` the agent is started under OpenTelemetry."""
        ...


class CodePackage(pulumi.ComponentResource):
    """The package in S3, readable by nobody but whom a role policy names.

    Pulumi type: ``agentstream:infra:CodePackage``. Produces ``s3.Bucket`` with its ``BucketVersioning``,
    ``BucketServerSideEncryptionConfiguration``, ``BucketPublicAccessBlock``, ``BucketPolicy``, and the
    ``s3.BucketObjectv2``. Leaves the grant to read it to the runtime's role.
    """

    bucket: pulumi.Output[str]
    key: pulumi.Output[str]
    grants: list[Statement]

    def __init__(self, name: str, *, tags: dict[str, str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("agentstream:infra:CodePackage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        path = package_path()
        if not path.exists():
            pulumi.log.warn(f"{path.relative_to(ROOT)} is not built yet: run `make package` before a deployment.", self)

        bucket = aws.s3.Bucket(f"{name}-code", tags=tags, opts=child)
        aws.s3.BucketVersioning(
            f"{name}-code-versions",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-code-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        private = aws.s3.BucketPublicAccessBlock(
            f"{name}-code-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketPolicy(
            f"{name}-code-tls-only",
            bucket=bucket.id,
            policy=bucket.arn.apply(_tls_only),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )
        package = aws.s3.BucketObjectv2(
            f"{name}-code-package",
            bucket=bucket.id,
            key=path.name,
            source=pulumi.FileAsset(str(path)),
            tags=tags,
            opts=child,
        )

        self.bucket = bucket.bucket
        self.key = package.key
        # The page on permissions does not list it, the one on code deployment does
        # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-get-started-code-deploy-python.html).
        self.grants = [allow("Package", ["s3:GetObject"], [pulumi.Output.concat(bucket.arn, "/", package.key)])]
        self.register_outputs({"bucket": self.bucket, "key": self.key})

    def runtime_artifact(self, *, telemetry: bool) -> aws.bedrock.AgentcoreAgentRuntimeAgentRuntimeArtifactArgsDict:
        """See `Artifact.runtime_artifact`."""
        return {
            "code_configuration": {
                "code": {"s3": {"bucket": self.bucket, "prefix": self.key}},
                "runtime": "PYTHON_3_13",
                "entry_points": ["opentelemetry-instrument", "main.py"] if telemetry else ["main.py"],
            }
        }


def _tls_only(bucket_arn: str) -> str:
    statement = {
        "Sid": "RefusePlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

"""A private bucket, readable only by principals that a policy names: not public, encrypted, versioned, TLS only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.encryption import EncryptionKey


class PrivateBucket:
    """The resources of one bucket, declared as children of the component whose options are given.

    Attributes:
        bucket: the bucket itself.
    """

    def __init__(
        self,
        name: str,
        *,
        opts: pulumi.ResourceOptions,
        keep: bool = False,
        key: EncryptionKey | None = None,
    ) -> None:
        """Declare it; with ``keep`` it is not deleted while it holds objects; ``key`` encrypts in place of S3's own."""
        self._opts = opts
        # Emptied when the stack is destroyed, because S3 deletes no bucket that holds objects; all of them can be built
        # again. Production's is emptied by hand, so that packages in use are not deleted by mistake.
        self.bucket = aws.s3.Bucket(name, force_destroy=not keep, opts=opts)
        aws.s3.BucketVersioning(
            f"{name}-versions",
            bucket=self.bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=opts,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=self.bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}
                    if key is None
                    else {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn},
                    "bucket_key_enabled": key is not None,
                }
            ],
            opts=opts,
        )
        self._public_access_block = aws.s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=self.bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=opts,
        )

    def set_policy(self, name: str, *statements: Mapping[str, Any]) -> None:
        """Declare the bucket's one policy: no plain HTTP, and these statements, which may contain outputs."""
        arn = self.bucket.arn
        tls_only = {
            "Sid": "RefusePlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, pulumi.Output.concat(arn, "/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        aws.s3.BucketPolicy(
            name,
            bucket=self.bucket.id,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [tls_only, *statements]}),
            opts=pulumi.ResourceOptions.merge(
                self._opts, pulumi.ResourceOptions(depends_on=[self._public_access_block])
            ),
        )

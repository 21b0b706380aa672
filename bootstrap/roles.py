"""Declares GitHub's OIDC provider, a deploying role for each stack, one that only reads, and Pulumi's state bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from bootstrap.documents import AGENT_AT_MOST, documents, needed, reading, statements
from bootstrap.permissions import Grant
from bootstrap.settings import Settings

GITHUB = "token.actions.githubusercontent.com"
PLACEHOLDER = "000000000000"
"""A placeholder for the account's number, of the same length, while the documents are split by size."""

ONE_HOUR = 3600

PATH = "/delivery/"
"""The path of the roles and policies declared here. No pattern with a stack's name matches it, so no deploying role can
change itself, another one, or the boundary, whatever the stack's name."""


class Delivery(pulumi.ComponentResource):
    """What the workflows of one repository need in one account.

    Pulumi type: ``agentstream:bootstrap:Delivery``. Produces ``iam.OpenIdConnectProvider`` (unless there is one), the
    bucket and the key of Pulumi's state, an ``iam.Role`` with its ``iam.Policy``\\ s for each stack, one that only
    reads, and the permissions boundary of the stacks' own roles. No user, and no access key.
    """

    def __init__(self, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("agentstream:bootstrap:Delivery", settings.project, None, opts)
        self._settings = settings
        self._child = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)  # without them no stack can be changed again
        self.key = aws.kms.Key(
            f"{settings.project}-state",
            description="Encrypts Pulumi's state, and the secrets in it.",
            enable_key_rotation=True,
            opts=self._kept,
        )
        self._account = self.key.arn.apply(lambda arn: arn.split(":")[4])
        self.bucket = self._state()
        self._github: pulumi.Input[str] = settings.provider_arn or self._make_provider()
        self.boundary = self._policies("boundary", list(AGENT_AT_MOST), "")[0].arn
        self.deploy_roles = {stack: self._deploy_role(stack, parts) for stack, parts in settings.stacks.items()}
        self.preview_role = self._role("preview", "preview", [*reading()], read_only_state=True)
        self.backend_url = self.bucket.bucket.apply(lambda name: f"s3://{name}?region={settings.region}")
        self.register_outputs({"previewRole": self.preview_role, "backendUrl": self.backend_url})

    def _make_provider(self) -> pulumi.Output[str]:
        # AWS verifies GitHub's certificates without a thumbprint.
        provider = aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{GITHUB}", client_id_lists=["sts.amazonaws.com"], opts=self._child
        )
        return provider.arn

    def _state(self) -> aws.s3.Bucket:
        name = f"pulumi-state-{self._settings.project}"  # must not match the names of a stack's own buckets
        bucket = aws.s3.Bucket(name, opts=self._kept)
        aws.s3.BucketVersioning(
            f"{name}-versions",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},  # a damaged state can be restored
            opts=self._child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": self.key.arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=self._child,
        )
        aws.s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        return bucket

    def _deploy_role(self, stack: str, parts: Sequence[str]) -> pulumi.Output[str]:
        return self._role(f"deploy-{stack}", stack, needed(parts), read_only_state=False)

    def _role(self, suffix: str, environment: str, grants: list[Grant], *, read_only_state: bool) -> pulumi.Output[str]:
        """A role that only GitHub's jobs in one environment of one repository may assume."""
        name = f"{self._settings.project}-{suffix}"
        subject = f"repo:{self._settings.repository}:environment:{environment}"
        role = aws.iam.Role(
            name,
            name=name,
            path=PATH,
            description=f"Becomes {suffix} from {self._settings.repository}.",
            max_session_duration=ONE_HOUR,
            assume_role_policy=pulumi.Output.json_dumps(trust(self._github, subject)),
            opts=self._child,
        )
        made = self._policies(suffix, grants, "" if read_only_state else self._settings_stack(environment))
        for number, policy in enumerate(made, 1):
            attached = f"{name}-{number}"
            aws.iam.RolePolicyAttachment(attached, role=role.name, policy_arn=policy.arn, opts=self._child)
        aws.iam.RolePolicy(
            f"{name}-state",
            role=role.id,
            policy=pulumi.Output.all(self.bucket.arn, self.key.arn).apply(
                lambda arns: json.dumps(state_document(arns[0], arns[1], read_only=read_only_state))
            ),
            opts=self._child,
        )
        return role.arn

    def _settings_stack(self, stack: str) -> str:
        return f"{self._settings.project}-{stack}"

    def _policies(self, suffix: str, grants: list[Grant], stack: str) -> list[aws.iam.Policy]:
        """Managed policies with the grants: for this stack and with the boundary, or for every stack if it is empty."""
        prefix = stack or f"{self._settings.project}-*"
        names = {
            "PROJECT_": f"{self._settings.project.replace('-', '_')}_",
            "PROJECT": self._settings.project,
            "STACK_": prefix.replace("-", "_"),
            "STACK": prefix,
            "REGION": self._settings.region,
            "ACCOUNT": PLACEHOLDER,
            "ZONE": self._settings.hosted_zone_id or "none",
        }
        boundary = f"arn:aws:iam::{PLACEHOLDER}:policy{PATH}{self._settings.project}-boundary" if stack else ""
        texts = documents(statements(grants, names, boundary))
        base = f"{self._settings.project}-{suffix}"
        called = [base] if suffix == "boundary" else [f"{base}-{number}" for number in range(1, len(texts) + 1)]
        return [
            aws.iam.Policy(
                name,
                name=name,
                path=PATH,
                policy=self._account.apply(partial(text.replace, PLACEHOLDER)),
                opts=self._child,
            )
            for name, text in zip(called, texts, strict=True)
        ]


def trust(provider: pulumi.Input[str], subject: str) -> dict[str, Any]:
    """The trust policy: only a GitHub job with exactly this subject, and a token for AWS."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": subject}},
            }
        ],
    }


def state_document(bucket: str, key: str, *, read_only: bool) -> Mapping[str, Any]:
    """The permissions on Pulumi's state: to read it, and for a deploying role to write it and its locks."""
    objects = ["s3:GetObject"] if read_only else ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    crypt = ["kms:Decrypt"] if read_only else ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket},
            {"Effect": "Allow", "Action": objects, "Resource": f"{bucket}/*"},
            {"Effect": "Allow", "Action": crypt, "Resource": key},
        ],
    }

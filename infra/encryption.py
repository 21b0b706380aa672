"""A KMS key of the stack's own, for a team whose rules require one."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra import arn
from infra.component import Component, StackContext
from infra.permissions import Statement, allow, document

DELETION_DAYS = 30
"""Days in which a deleted key can be restored; after that, what it encrypts is lost."""


class EncryptionKey(Component):
    """A key for the package's bucket and the alarms' topic, replaced by AWS every year.

    Pulumi type: ``agentstream:infra:EncryptionKey``. Produces ``kms.Key`` and ``kms.Alias``. Leaves the permission
    to read the package to the agent's role (`grant`).

    The key's policy must allow CloudWatch by name: an alarm is not delivered to a topic under a key that does not, nor
    under the key that AWS manages, and no error is shown
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html).
    """

    arn: pulumi.Output[str]
    grant: Statement
    """What a role needs to read the encrypted data."""

    def __init__(
        self,
        stack: StackContext,
        *,
        of_account: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it in the account of the ARN ``of_account``; Pulumi refuses to delete a protected stack's."""
        super().__init__("EncryptionKey", stack, opts)
        name = stack.name
        key = aws.kms.Key(
            f"{name}-key",
            description=f"Package and alarms of {name}.",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=pulumi.Output.json_dumps(
                document(_statements(arn.partition(of_account), arn.account_id(of_account)))
            ),
            opts=self._kept,
        )
        aws.kms.Alias(
            f"{name}-key-name",
            name=f"alias/{name}",
            target_key_id=key.id,
            opts=self._child,
        )
        self.arn = key.arn
        self.grant = allow("PackageKey", ["kms:Decrypt"], [key.arn])
        self.register_outputs({"arn": key.arn})


def _statements(partition: pulumi.Output[str], account_id: pulumi.Output[str]) -> list[Statement]:
    # In a key's policy, * means the key itself. The account's IAM policies decide who uses it, as for any other key
    # (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html).
    of_account = {
        **allow("TheAccount", ["kms:*"], ["*"]),
        "Principal": {"AWS": pulumi.Output.concat("arn:", partition, ":iam::", account_id, ":root")},
    }
    of_alarms = {
        **allow("Alarms", ["kms:Decrypt", "kms:GenerateDataKey*"], ["*"]),
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
    }
    return [of_account, of_alarms]

"""The runtime's resource policy: which operations the bearer of a token may call, and by which network path.

At a runtime's address AgentCore has more operations than ``/invocations``: one runs a command in the microVM, one opens
a shell in it, one opens a WebSocket that bypasses the API, and one ends a session. Its SDK builds such an address from
the runtime's ARN and a bearer token. The microVM holds the origin secret and the role's credentials, so the policy
denies these operations: a Deny overrides every Allow.

**Not tried on AWS.** Sources:
https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/resource-based-policies.html and
https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-get-started-command-shell.html.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.component import Component, StackContext
from infra.settings.denied_actions import STOP_SESSION

SERVICE = "bedrock-agentcore:"

Statement = dict[str, object]


class ResourcePolicy(Component):
    """The runtime's one resource policy: allows invocations, if there is an endpoint only through it.

    Pulumi type: ``agentstream:infra:ResourcePolicy``. Produces ``bedrock.AgentcoreResourcePolicy``. Leaves the path
    through the VPC endpoint to `PrivateEdge`. Runtime endpoints get no policy of their own: AWS evaluates the runtime's
    for them too.
    """

    def __init__(
        self,
        stack: StackContext,
        *,
        runtime_arn: pulumi.Output[str],
        account_id: pulumi.Output[str],
        denied_actions: Sequence[str],
        endpoint_id: pulumi.Output[str] | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        Args:
            stack: what all components share.
            runtime_arn: of the runtime.
            account_id: of the stack's account, whose own administrators may end sessions.
            denied_actions: AgentCore's names without the service, see `infra.settings.denied_actions`.
            endpoint_id: the only VPC endpoint that invocations may come through; None for any path.
            after: with an endpoint, resources that must use the private path first, because the policy applies at once.
            opts: of the component.
        """
        super().__init__("ResourcePolicy", stack, opts)
        name = stack.name
        invocations = (
            [_allow(runtime_arn)]
            if endpoint_id is None
            else [
                _allow(runtime_arn, {"StringEquals": {"aws:SourceVpce": endpoint_id}}),
                _deny_other_paths(runtime_arn, endpoint_id),
            ]
        )
        statements = [*invocations, *_other_operations(runtime_arn, account_id, denied_actions)]
        aws.bedrock.AgentcoreResourcePolicy(
            f"{name}-runtime-policy",
            resource_arn=runtime_arn,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements}),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                # Without the alias the new name would be created and then the old one deleted, which would delete the
                # policy of the same runtime.
                aliases=[pulumi.Alias(name=f"{name}-only-privately")],
            ),
        )
        self.register_outputs({})


def _allow(runtime_arn: pulumi.Output[str], condition: Statement | None = None) -> Statement:
    """The bearer of a valid token may invoke. IAM has no principal for such a caller, so AWS requires ``*``."""
    allowed = _statement("Questions", "Allow", ["InvokeAgentRuntime"], runtime_arn)
    return allowed if condition is None else {**allowed, "Condition": condition}


def _deny_other_paths(runtime_arn: pulumi.Output[str], endpoint_id: pulumi.Output[str]) -> Statement:
    return {
        **_statement("NoOtherWay", "Deny", ["InvokeAgentRuntime"], runtime_arn),
        "Condition": {
            "StringNotEquals": {"aws:SourceVpce": endpoint_id},
            # `Bool` does not match a request without the key, so the Deny would not apply to it.
            "BoolIfExists": {"aws:ViaAWSService": "false"},
        },
    }


def _other_operations(
    runtime_arn: pulumi.Output[str], account_id: pulumi.Output[str], denied_actions: Sequence[str]
) -> list[Statement]:
    for_everyone = [action for action in denied_actions if action != STOP_SESSION]
    denied = [_statement("NothingButQuestions", "Deny", for_everyone, runtime_arn)] if for_everyone else []
    if STOP_SESSION in denied_actions:
        # Administrators need it to end the sessions of a user whom they lock out. A token's bearer is not a principal
        # of any account, and a negated comparison is true when its key is missing, so the Deny applies to the bearer.
        condition = {"StringNotEquals": {"aws:PrincipalAccount": account_id}}
        denied.append(
            {**_statement("OnlyTheAccountStops", "Deny", [STOP_SESSION], runtime_arn), "Condition": condition}
        )
    return denied


def _statement(sid: str, effect: str, actions: Sequence[str], runtime_arn: pulumi.Output[str]) -> Statement:
    return {
        "Sid": sid,
        "Effect": effect,
        "Principal": "*",
        "Action": [SERVICE + action for action in actions],
        "Resource": runtime_arn,  # AWS accepts the exact ARN only, no pattern
    }

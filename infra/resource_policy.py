"""Which of the runtime's operations a token opens, and by which way.

AgentCore answers more than ``/invocations`` at a runtime's address: there is an operation that runs a command in the
microVM, one that opens a shell in it, a WebSocket past the API, and one that ends a session. Its SDK builds such an
address from the runtime's ARN and a bearer token. In the microVM lie the origin secret and the role's credentials, so
the runtime's resource policy denies them: a Deny stands above every Allow.

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
    """The runtime's one resource policy: questions by one way, and nothing beside them.

    Pulumi type: ``agentstream:infra:ResourcePolicy``. Produces ``bedrock.AgentcoreResourcePolicy``. Leaves the way
    through the VPC endpoint to `PrivateEdge`. Endpoints get no policy of their own: AWS evaluates the runtime's for
    them too, and one that only allows would have to be repeated on each.
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
            endpoint_id: the only VPC endpoint that questions may come through; None for any way.
            after: with an endpoint, what must have switched to the private way before: it refuses at once.
            opts: of the component.
        """
        super().__init__("ResourcePolicy", stack, opts)
        name = stack.name
        questions = (
            [_allow(runtime_arn)]
            if endpoint_id is None
            else [
                _allow(runtime_arn, {"StringEquals": {"aws:SourceVpce": endpoint_id}}),
                _no_other_way(runtime_arn, endpoint_id),
            ]
        )
        statements = [*questions, *_siblings(runtime_arn, account_id, denied_actions)]
        aws.bedrock.AgentcoreResourcePolicy(
            f"{name}-runtime-policy",
            resource_arn=runtime_arn,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements}),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                # Under another name it would be created, and then the old one deleted: of the same ARN, whose policy
                # would be gone.
                aliases=[pulumi.Alias(name=f"{name}-only-privately")],
            ),
        )
        self.register_outputs({})


def _allow(runtime_arn: pulumi.Output[str], condition: Statement | None = None) -> Statement:
    """A valid token may invoke. IAM knows no principal for its bearer, so AWS wants ``*``."""
    allowed = _statement("Questions", "Allow", ["InvokeAgentRuntime"], runtime_arn)
    return allowed if condition is None else {**allowed, "Condition": condition}


def _no_other_way(runtime_arn: pulumi.Output[str], endpoint_id: pulumi.Output[str]) -> Statement:
    return {
        **_statement("NoOtherWay", "Deny", ["InvokeAgentRuntime"], runtime_arn),
        "Condition": {
            "StringNotEquals": {"aws:SourceVpce": endpoint_id},
            # `Bool` is not met by a request without the key, which is then let through.
            "BoolIfExists": {"aws:ViaAWSService": "false"},
        },
    }


def _siblings(
    runtime_arn: pulumi.Output[str], account_id: pulumi.Output[str], denied_actions: Sequence[str]
) -> list[Statement]:
    for_everybody = [action for action in denied_actions if action != STOP_SESSION]
    denied = [_statement("NothingButQuestions", "Deny", for_everybody, runtime_arn)] if for_everybody else []
    if STOP_SESSION in denied_actions:
        # Administrators end the sessions of a user whom they lock out. The bearer of a token is no principal of an
        # account, and a negated comparison holds where its key is missing.
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
        "Resource": runtime_arn,  # AWS takes the exact ARN and no pattern
    }

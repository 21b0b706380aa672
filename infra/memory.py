"""An AgentCore Memory: keeps conversations beyond the life of a microVM."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.component import Component, StackContext
from infra.permissions import Grant, allow


class Memory(Component):
    """Short-term memory: the events of each user's conversations, kept for some days.

    Pulumi type: ``agentstream:infra:Memory``. Produces ``bedrock.AgentcoreMemory``. Declares no long-term strategy:
    with one, a model would read every conversation. Leaves the grant to the runtime's role.
    """

    id: pulumi.Output[str]
    grant: Grant
    """What the agent's role needs, on this memory only."""

    def __init__(self, stack: StackContext, days: int, *, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it; Pulumi refuses to delete a protected stack's, and the conversations in it."""
        super().__init__("Memory", stack, opts)
        name = stack.name
        memory = aws.bedrock.AgentcoreMemory(
            f"{name}-memory",
            # Letters, digits and underscores only, as for a runtime.
            name=name.replace("-", "_"),
            description="Conversations of the agent's users.",
            event_expiry_duration=days,
            opts=self._kept,
        )
        self.id = memory.id
        actions = [f"bedrock-agentcore:{action}Event" for action in ("Create", "Get", "Delete")]
        self.grant = Grant("memory", [], [allow("Memory", [*actions, "bedrock-agentcore:ListEvents"], [memory.arn])])
        self.register_outputs({"id": self.id})

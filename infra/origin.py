"""Origin secrets: they show the agent that a request came through the API, and the web ACL that it came by CloudFront.

Two *generations* may be accepted at a time, so that a secret can be changed without refusing a request: running
sessions keep the variables they started with, and CloudFront's locations apply a change one after the other.
docs/security.md has the order of a rotation.
"""

from __future__ import annotations

import pulumi
import pulumi_random as random

from infra.component import Component, StackContext
from infra.settings.generations import GenerationSettings


class OriginSecret(Component):
    """One random value for each generation in use.

    Pulumi type: ``agentstream:infra:OriginSecret``. Produces one or two ``random.RandomPassword``. The values live in
    Pulumi's state (encrypted), with who sends them (the API's integration; CloudFront) and who accepts them (the
    runtime's variables; the web ACL's rules), and nowhere else.
    """

    sent: pulumi.Output[str]
    """The value that is sent."""
    also_accepted: pulumi.Output[str] | None
    accepted: list[pulumi.Output[str]]
    """The accepted values: one, or two during a rotation."""

    def __init__(
        self, stack: StackContext, settings: GenerationSettings, *, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("OriginSecret", stack, opts)
        self.sent = self._generation(settings.sent)
        other = settings.also_accepted
        self.also_accepted = None if other is None else self._generation(other)
        self.accepted = [self.sent] if self.also_accepted is None else [self.sent, self.also_accepted]
        self.register_outputs({})

    def _generation(self, number: int) -> pulumi.Output[str]:
        # 48 letters and digits: 285 bits, and no character that a header or a mapping would have to escape.
        password = random.RandomPassword(f"{self._name}-origin-{number}", length=48, special=False, opts=self._child)
        return pulumi.Output.secret(password.result)

    def variables(self) -> dict[str, pulumi.Input[str]]:
        """The agent's environment variables."""
        if self.also_accepted is None:
            return {"AGENT_ORIGIN_SECRET": self.sent}
        return {"AGENT_ORIGIN_SECRET": self.sent, "AGENT_ORIGIN_SECRET_PREVIOUS": self.also_accepted}

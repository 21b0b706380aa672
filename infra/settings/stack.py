"""The settings of a stack as a whole: its sections, and the values that follow from them.

*Environment* is the kind of stack: ``prod`` has rules that the others do not. It follows from the stack's name, and the
file may only raise it: so a second production stack (``prod-eu``) has production's rules, and no setting turns them
off.
"""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from infra.settings.api import ApiSettings
from infra.settings.base import Settings
from infra.settings.environments import Environment, named_kind
from infra.settings.firewall import FirewallSettings
from infra.settings.identity import IdentitySettings
from infra.settings.network import NetworkSettings
from infra.settings.observability import ObservabilitySettings
from infra.settings.patterns import Pattern
from infra.settings.regions import REGION
from infra.settings.runtime import RuntimeSettings
from infra.settings.website import WebsiteSettings

# AgentCore allows a runtime's name 48 characters (project, a hyphen, stack, and `_image` for a container), IAM a role's
# 64 (the same two, `-gateway-logs` and what Pulumi adds), and the name of an image's repository no two hyphens in a row
# (https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_ContainerConfiguration.html).
PROJECT = Pattern(
    "at most 25 lower-case letters, digits and single hyphens between them, the first a letter",
    r"(?=.{1,25}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    why="every name begins with it, and AWS limits the length of names",
)
STACK = Pattern(
    "at most 16 lower-case letters, digits and single hyphens between them, the first a letter",
    r"(?=.{1,16}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    why="it becomes part of every name, and AWS limits the length of names",
)
# The characters that every service accepts in a tag's value; AgentCore accepts the fewest
# (https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_CreateAgentRuntime.html).
OWNER = Pattern(
    "at most 256 letters without accents, digits, blanks and . _ : / = + @ -, the first a letter or digit",
    r"(?!(?i:aws:))[A-Za-z0-9][A-Za-z0-9 ._:/=+@-]{0,255}",
    why="every resource is tagged with it, and AWS refuses it as a tag",
)


class StackSettings(Settings):
    """All settings of a stack file, by section."""

    project: Annotated[str, PROJECT]
    stack: Annotated[str, STACK]
    region: Annotated[str, REGION] = Field(description="The stack's Region.")
    owner: Annotated[str, OWNER] = Field(
        description="The team that is responsible for this stack; a tag on every resource."
    )
    environment: Environment | None = Field(
        None,
        description="prod has rules that the others do not. Left out: prod for a stack named prod…, staging for "
        "one named stag…, dev otherwise. It may raise the kind in the name, never lower it.",
    )
    identity: IdentitySettings = IdentitySettings()
    firewall: FirewallSettings = FirewallSettings()
    api: ApiSettings = ApiSettings()
    runtime: RuntimeSettings
    observability: ObservabilitySettings = ObservabilitySettings()
    network: NetworkSettings | None = None
    website: WebsiteSettings | None = None

    @property
    def name(self) -> str:
        """``<project>-<stack>``: the prefix of every physical name."""
        return f"{self.project}-{self.stack}"

    @property
    def named_kind(self) -> Environment:
        """The environment that follows from the stack's name."""
        return named_kind(self.stack)

    @property
    def kind(self) -> Environment:
        """The environment: the file's, or the name's where that is higher."""
        return max(self.environment or "dev", self.named_kind, key=get_args(Environment).index)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that can have tags."""
        return {"project": self.project, "stack": self.stack, "environment": self.kind, "owner": self.owner}

    @property
    def stage_name(self) -> str:
        """The API's stage: the stack's name with underscores, because hyphens may be refused."""
        return self.api.stage_name or self.stack.replace("-", "_")

    @property
    def run_seconds(self) -> float:
        """Longest run, in seconds."""
        return self.runtime.run_seconds or self.api.run_timeout_seconds

    @property
    def detached_seconds(self) -> float:
        """How long a run goes on without a reader, in seconds."""
        return min(self.runtime.detached_seconds, self.run_seconds)

    @property
    def keep_seconds(self) -> int:
        """How long the events of a finished run can still be read, in seconds."""
        return min(self.runtime.keep_seconds, self.runtime.idle_session_seconds)

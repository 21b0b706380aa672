"""AgentCore Runtime's data plane on loopback, between the gateway and the agent."""

from typing import Literal

HangUp = Literal["lost", "passed"]
"""Whether the agent learns of a caller who has hung up; see `local.planes.runtime.hang_up`.

Declared here, where nothing else is imported, because the command line needs it in every command.
"""

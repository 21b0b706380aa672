"""The options of a local run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from local import ROOT
from local.planes.runtime import HangUp
from local.run.misconfigurations import AS_DECLARED, Misconfiguration


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to bring the chain up.

    Attributes:
        stack: the stack to serve.
        folder: of graphs, outputs and logs.
        ports: requested ports, by name as in `local.processes.ports.DEFAULT_PORTS`; the others are chosen.
        agent: the module whose `build_agent` makes the agent; `AGENT_MODULE` where that is set.
        model: the value of ``AGENT_MODEL``, in place of the stack's.
        time_scale: AWS's time limits are divided by this.
        hang_up: whether the agent learns of a caller who has hung up: ``lost`` or ``passed``.
        sessions: how many sessions may each have an agent process of their own; 0 for one process for all.
        broken: the deliberate misconfiguration.
        control: serve the control API of the page's inspector, see `local.run.control`.
    """

    stack: str = "dev"
    folder: Path = ROOT / ".local"
    ports: Mapping[str, int] = dataclasses.field(default_factory=dict)
    agent: str = dataclasses.field(default_factory=lambda: os.environ.get("AGENT_MODULE") or "agent.agent")
    model: str = "scripted"
    time_scale: float = 1.0
    sessions: int = 0
    hang_up: HangUp = "lost"
    broken: Misconfiguration = AS_DECLARED
    control: bool = False

    @property
    def in_force(self) -> dict[str, str]:
        """The options that differ from their defaults, by name; ``--hang-up`` always."""
        values = {
            "--agent": self.agent if self.agent != "agent.agent" else "",
            "--break": self.broken.name,
            "--time-scale": f"{self.time_scale:g}" if self.time_scale != 1 else "",
            "--sessions": str(self.sessions or ""),
            "--hang-up": self.hang_up,
        }
        return {option: value for option, value in values.items() if value}

"""Starts the agent as the declared runtime would: the same program, the declared environment, a loopback port."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from contract import Kind
from infra.settings.agent_environment import AGENT_DEFAULTS
from local import LOOPBACK, ROOT
from local.processes.child import Child, bare_environment
from local.processes.traced import program
from local.program.graph import Graph

SCALED = (
    "AGENT_HEARTBEAT_SECONDS",
    "AGENT_RUN_SECONDS",
    "AGENT_CONNECTION_SECONDS",
    "AGENT_DETACHED_SECONDS",
    "AGENT_KEEP_SECONDS",
)
"""Declared times that must keep their proportion to the limits that the time scale shortens."""


def agent_environment(
    graph: Graph, *, agent: str = "agent.agent", model: str, changes: Mapping[str, str]
) -> dict[str, str]:
    """The agent's environment as declared, but for what must differ on loopback; times at the graph's time scale.

    Args:
        graph: the declared resources.
        agent: the module whose `build_agent` makes the agent.
        model: what the agent answers with, in place of the stack's model.
        changes: variables that are set on purpose, after all others.
    """
    runtime = graph.one(Kind.RUNTIME)
    declared: dict[str, str] = dict(runtime.inputs.get("environmentVariables") or {})
    # A time that the stack leaves at the agent's default is no variable, and is scaled all the same.
    times = {name: value for name in SCALED if (value := declared.get(name) or AGENT_DEFAULTS.get(name))}
    declared |= {name: str(float(value) / graph.time_scale) for name, value in times.items()}
    declared |= {
        "AGENT_HOST": LOOPBACK,
        "AGENT_MODULE": agent,
        "AGENT_MODEL": model,
        "AGENT_DETECT_BLOCKING": "true",
        "AWS_REGION": graph.region,
        **changes,
    }
    # A real model needs the developer's own AWS credentials; the scripted one gets none to lose.
    inherited = dict(os.environ) if model.startswith("bedrock:") else bare_environment()
    # The declared memory is AWS's own; without it the agent keeps history in its process.
    declared.pop("AGENT_MEMORY_ID", None)
    # So are the declared secrets: only the deployed role can read them.
    declared.pop("AGENT_SECRETS", None)
    return inherited | declared


async def start_agent(
    port: int, environment: Mapping[str, str], *, log: Path, module: str = "agent", name: str = "agent"
) -> Child:
    """Start an agent; it may still be starting when this returns."""
    return await Child.start(
        name,
        [sys.executable, *program(module, environment)],
        log=log,
        cwd=ROOT,
        environment={**environment, "AGENT_PORT": str(port)},
    )

"""Starts the agent as the declared runtime would: the same program, the declared environment, a loopback port."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from contract import AGENT_DEFAULTS, Kind
from local import LOOPBACK, ROOT
from local.processes.child import Child, bare_environment
from local.processes.traced import module_arguments
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
    """The agent's declared environment, changed where loopback requires it; times divided by the graph's time scale.

    Args:
        graph: the declared resources.
        agent: the module whose `build_agent` makes the agent.
        model: the value of ``AGENT_MODEL``, in place of the stack's.
        changes: variables that replace any of the others.
    """
    runtime = graph.one(Kind.RUNTIME)
    declared: dict[str, str] = dict(runtime.inputs.get("environmentVariables") or {})
    # The stack declares no variable for a time that is left at the agent's default; the default is scaled too.
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
    # Bedrock needs the developer's own AWS credentials; an agent on any other model gets none.
    inherited = dict(os.environ) if model.startswith("bedrock:") else bare_environment()
    # The declared AgentCore Memory exists on AWS only; without it the agent keeps history in its process.
    declared.pop("AGENT_MEMORY_ID", None)
    # Only the deployed role can read the declared secrets.
    declared.pop("AGENT_SECRETS", None)
    return inherited | declared


async def start_agent(
    port: int, environment: Mapping[str, str], *, log: Path, module: str = "agent", name: str = "agent"
) -> Child:
    """Start an agent; it may still be starting when this returns."""
    return await Child.start(
        name,
        [sys.executable, *module_arguments(module, environment)],
        log=log,
        cwd=ROOT,
        environment={**environment, "AGENT_PORT": str(port)},
    )

"""Ways to break the local run on purpose, each of which the doctor has to find.

A fault is a change to what a data plane serves, or to the agent behind it, made after provisioning: the user pool
and the addresses stay as they are. What is broken here is what people break on AWS: a setting, never the emulation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from local.graph import Graph

Change = Callable[[Graph], Graph]


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        name: what ``python -m local up --break`` takes.
        description: what is wrong, in a line.
        check: the name of the doctor's check that must find it.
        gateway: changes the graph that the gateway serves.
        runtime: changes the graph that the runtime serves.
        undeployed: the change is in the stage's snapshot only; the resource says what it should.
        agent_environment: added to the agent's environment.
        agent_module: the program that stands behind the runtime, as in ``python -m``.
    """

    name: str
    description: str
    check: str
    gateway: Change | None = None
    runtime: Change | None = None
    undeployed: bool = False
    agent_environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    agent_module: str = "agent"


FAULTS: Mapping[str, Fault] = {}

"""The interface between the core and an agent framework, and the choice of the framework for an agent.

`build_agent` gets the run as its first argument, and `model` and `history` (a Strands model and Strands messages) only
if it has parameters of these names: an agent without them does not load Strands. The framework is chosen by the type of
the object that it returns, without importing the other frameworks.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from functools import partial
from typing import Any, Protocol, cast

from ag_ui.core import BaseEvent

from agent.generator import GeneratorFramework
from agent.settings import Settings, SettingsError
from agent.turn import Turn

__all__ = ["BuildAgent", "Framework", "Frameworks", "load_build_agent"]

BuildAgent = Callable[..., Any]
"""The author's function: from a run, and optionally `model` and `history`, to an agent."""


def load_build_agent(settings: Settings) -> BuildAgent:
    """Import the author's module, which may be slow, and return its `build_agent`.

    Raises SettingsError if the module has none, and whatever importing it raises.
    """
    module = importlib.import_module(settings.module)
    if not callable(build_agent := getattr(module, "build_agent", None)):
        raise SettingsError(f"{settings.module} has no function build_agent: write one, as docs/agent.md shows.")
    return cast("BuildAgent", build_agent)


class Framework(Protocol):
    """One agent framework, as one object per process. Importing its package may be slow."""

    name: str

    def prepare(self, settings: Settings) -> None:
        """Create what the process needs once, such as the model. Blocks; called in a thread. Raises SettingsError."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return the arguments that this framework supplies to `build_agent`, by parameter name."""

    def run(self, built: Any, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Run the agent `built` and yield its events, without RUN_STARTED; set the results on `turn`.

        Ends when the run does, also when the agent waits for the caller (a page's tool, an interrupt). Raises
        AgentError, and whatever the agent raises. Closing the generator ends the agent.
        """


# By the top-level package of an agent's class: the module whose `Adapter` is the Framework.
_ADAPTERS = {"strands": "agent.strands.adapter", "langgraph": "agent.langgraph.adapter"}
# By the name of a parameter of `build_agent`: the adapter that supplies it.
_SUPPLIERS = {"model": "agent.strands.adapter", "history": "agent.strands.adapter"}


class Frameworks:
    """The frameworks of one process: each is loaded and prepared when an agent first needs it.

    Raises SettingsError for a `build_agent` with a parameter that no adapter supplies.
    """

    def __init__(self, build_agent: BuildAgent, settings: Settings) -> None:
        self._build_agent = build_agent
        self._settings = settings
        self._ready: dict[str, Framework] = {}
        self._lock = threading.Lock()
        self._parameters = _parameters(build_agent)
        kinds = (inspect.isasyncgenfunction, inspect.iscoroutinefunction)
        self._runs_on_the_loop = any(is_one(build_agent) for is_one in kinds)
        if unknown := [name for name in self._parameters if name not in _SUPPLIERS]:
            raise SettingsError(
                f"build_agent has the parameter {', '.join(unknown)}, which cannot be supplied: "
                f"it may have the run and, optionally, {' and '.join(_SUPPLIERS)}."
            )

    def prepare(self) -> None:
        """Load the adapters that supply `build_agent`'s parameters. Blocks. Raises SettingsError."""
        for name in self._parameters:
            self._framework(_SUPPLIERS[name])

    async def build(self, turn: Turn) -> tuple[Framework, Any]:
        """Call the author's `build_agent`; return the framework that runs the agent, and the agent.

        A plain function is called in a thread, because it may block: Strands waits there for an MCP server's list of
        tools. A coroutine or an async generator runs on the event loop.

        Raises TypeError for an object that no framework runs, and whatever `build_agent` raises.
        """
        given: dict[str, Any] = {}
        for package in {_SUPPLIERS[name] for name in self._parameters}:
            given |= self._ready[package].arguments(turn)
        call = partial(self._build_agent, turn.run, **{name: given[name] for name in self._parameters})
        built = call() if self._runs_on_the_loop else await asyncio.to_thread(call)
        if inspect.isawaitable(built):
            built = await built
        adapter = _adapter_of(built)
        if adapter is None:
            return GeneratorFramework(), built
        if adapter in self._ready:
            return self._ready[adapter], built
        return await asyncio.to_thread(self._framework, adapter), built

    def _framework(self, package: str) -> Framework:
        with self._lock:
            if package not in self._ready:
                framework: Framework = importlib.import_module(package).Adapter()
                framework.prepare(self._settings)
                self._ready[package] = framework
            return self._ready[package]


def _parameters(build_agent: BuildAgent) -> list[str]:
    """Return the names of the parameters after the first, without unknown ones that have a default."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [one for one in inspect.signature(build_agent).parameters.values() if one.kind in kinds]
    return [one.name for one in parameters[1:] if one.name in _SUPPLIERS or one.default is inspect.Parameter.empty]


def _adapter_of(built: Any) -> str | None:
    """Return the module of the adapter that runs `built`, None for a generator; recognised without an import."""
    packages = {cls.__module__.partition(".")[0] for cls in type(built).__mro__}
    for package, adapter in _ADAPTERS.items():
        if package in packages:
            return adapter
    if isinstance(built, AsyncIterable):
        return None
    what = "None" if built is None else f"a {type(built).__name__}"
    raise TypeError(
        f"build_agent returned {what}; return a Strands agent, a compiled LangGraph graph, "
        "or an async generator of str or AG-UI events"
    )

"""What the core asks of an agent framework, and which framework an agent is of.

`build_agent` is given what its parameters name: `run` as the first, and `model` and `history` (a Strands model and
Strands messages) only where it names them, so that an agent that names neither loads no Strands. What it returns is
told by its type, without importing a framework that the agent does not use.
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
"""From a run, and what else its parameters name, to an agent."""


def load_build_agent(settings: Settings) -> BuildAgent:
    """Import the author's module, which may be slow, and return its `build_agent`.

    Raises SettingsError where it has none, and whatever importing it raises.
    """
    module = importlib.import_module(settings.module)
    if not callable(build_agent := getattr(module, "build_agent", None)):
        raise SettingsError(f"{settings.module} has no function build_agent: docs/agent.md says what it does.")
    return cast("BuildAgent", build_agent)


class Framework(Protocol):
    """One agent framework, one object per process. Importing its package may be slow."""

    name: str

    def prepare(self, settings: Settings) -> None:
        """Make what is made once per process. Blocks; called in a thread. Raises SettingsError."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return the values of the parameters that this framework gives to `build_agent`."""

    def play(self, built: Any, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Run `built` and yield its events, none of them RUN_STARTED; set on `turn` what the run leaves behind.

        Ends when the run does, also where it waits for the caller (a page's tool, an interrupt). Raises AgentError,
        and whatever the agent raises. Closing the generator ends the agent.
        """


# The package that a type must come from, and the module of ours that knows it: its `Adapter` is a Framework.
_ADAPTERS = {"strands": "agent.strands.play", "langgraph": "agent.langgraph.play"}
# Who gives `build_agent` the parameters beside the run.
_GIVEN_BY = {"model": "agent.strands.play", "history": "agent.strands.play"}


class Frameworks:
    """The frameworks of one process: each is loaded, and made ready, when an agent is first of it.

    Raises SettingsError for a `build_agent` with a parameter that nobody can give.
    """

    def __init__(self, build_agent: BuildAgent, settings: Settings) -> None:
        self._build_agent = build_agent
        self._settings = settings
        self._ready: dict[str, Framework] = {}
        self._lock = threading.Lock()
        self._parameters = _parameters(build_agent)
        kinds = (inspect.isasyncgenfunction, inspect.iscoroutinefunction)
        self._runs_on_the_loop = any(is_one(build_agent) for is_one in kinds)
        if unknown := [name for name in self._parameters if name not in _GIVEN_BY]:
            raise SettingsError(
                f"build_agent asks for {', '.join(unknown)}, which nobody gives it: "
                f"its parameters are the run and, where it wants them, {' and '.join(_GIVEN_BY)}."
            )

    def prepare(self) -> None:
        """Load what `build_agent` cannot be called without. Blocks. Raises SettingsError."""
        for name in self._parameters:
            self._framework(_GIVEN_BY[name])

    async def build(self, turn: Turn) -> tuple[Framework, Any]:
        """Call the author's `build_agent`; return what it built and the framework that plays it.

        A plain function is called in a thread, because it may block: Strands waits there for an MCP server's list of
        tools. A coroutine or an async generator runs on the event loop.

        Raises TypeError for what none plays, and whatever `build_agent` raises.
        """
        given: dict[str, Any] = {}
        for package in {_GIVEN_BY[name] for name in self._parameters}:
            given |= self._ready[package].arguments(turn)
        call = partial(self._build_agent, turn.run, **{name: given[name] for name in self._parameters})
        built = call() if self._runs_on_the_loop else await asyncio.to_thread(call)
        if inspect.isawaitable(built):
            built = await built
        adapter = _package_of(built)
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
    """Return the names of the parameters after the first, the run."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [one for one in inspect.signature(build_agent).parameters.values() if one.kind in kinds]
    return [one.name for one in parameters[1:] if one.name in _GIVEN_BY or one.default is inspect.Parameter.empty]


def _package_of(built: Any) -> str | None:
    """Return the package of ours that plays `built`, None for a generator; told by its type, without an import."""
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

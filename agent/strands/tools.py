"""Handles the failures of a Strands agent's tools.

Strands gives the text of a tool's exception to the model, which may repeat it to the user. Here the text goes to the
log only. A plain `ValueError` means bad arguments: the model is told that they were refused, and may try again. After
any other exception, or an error that an MCP server reports, the model is told that the tool failed; with
AGENT_TOOL_ERRORS=run the run ends with TOOL_FAILED before the next model call instead. A tool that wants to tell the
model more returns `{"status": "error", "content": [{"text": "..."}]}` instead of raising.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Container
from typing import Any
from weakref import WeakSet

from strands import Agent
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent, BeforeToolCallEvent
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.types.tools import AgentTool

from agent.errors import AgentError, Code
from agent.telemetry import argument_fields, error_fields, log_line

__all__ = ["watch_tools"]

# Strands logs arguments that are not JSON in full, and they may contain the caller's text. Filtered out: the line
# "tool not run" below has the tool's name instead.
logging.getLogger("strands.event_loop.streaming").addFilter(lambda record: "raw_input" not in str(record.msg))

# An agent keeps its hooks and its messages, so a second run with the same agent would inherit both.
_watched: WeakSet[Agent] = WeakSet()


def watch_tools(agent: Agent, broken_calls: Container[str], *, strict: bool) -> None:
    """Keep the text of tools' exceptions out of the model's messages.

    A call whose id is in `broken_calls` is not made: Strands would call the tool with no arguments. With `strict`, a
    failed tool ends the run; otherwise the model is told that it failed, and the log has the exception.
    Raises RuntimeError for an agent that was passed before.
    """
    if agent in _watched:
        raise RuntimeError("build_agent returned the agent of an earlier run; make a new one each time")
    _watched.add(agent)
    failures: dict[str, Exception] = {}

    def before_tool_call(event: BeforeToolCallEvent) -> None:
        if event.tool_use["toolUseId"] in broken_calls:
            reason = "the model's arguments are not a JSON object"
            log_line({"message": f"tool not run: {reason}", "level": "WARNING", "tool": event.tool_use["name"]})
            event.cancel_tool = "The arguments are not a JSON object, so the tool was not run; call it again."

    def after_tool_call(event: AfterToolCallEvent) -> None:
        call_id = str(event.tool_use["toolUseId"])
        failures.pop(call_id, None)  # another hook may have requested a retry
        failure = _failure(event)
        if failure is None:
            return
        # Subclasses of ValueError come from libraries, for example for a backend's malformed answer: not bad arguments.
        refused = type(failure) is ValueError
        if refused:
            line = {"message": "tool refused its arguments", "level": "WARNING", "tool": event.tool_use["name"]}
            log_line({**line, **argument_fields(failure)})
        elif strict:
            failures[call_id] = failure
        else:
            line = {"message": "tool failed", "level": "ERROR", "tool": event.tool_use["name"]}
            log_line({**line, **error_fields(failure)})
        text = "The tool refused these arguments." if refused else f"The tool failed ({type(failure).__name__})."
        event.result = {"toolUseId": call_id, "status": "error", "content": [{"text": text}]}

    def before_model_call(event: BeforeModelCallEvent) -> None:
        # Raised in a hook, so that Strands unwinds by itself and no generator is abandoned.
        if failures:
            _, failure = failures.popitem()
            failures.clear()
            raise AgentError(Code.TOOL_FAILED) from failure

    agent.add_middleware(ExecuteToolStage, _contained)
    agent.add_hook(before_tool_call, BeforeToolCallEvent)
    agent.add_hook(after_tool_call, AfterToolCallEvent)
    agent.add_hook(before_model_call, BeforeModelCallEvent)


def _failure(event: AfterToolCallEvent) -> Exception | None:
    """Return a call's failure; None if it succeeded, or returned an error result of its own for the model."""
    if event.selected_tool is None:
        return None  # no such tool: Strands tells the model
    if event.exception is None and event.result["status"] == "error" and _is_remote(event.selected_tool):
        return RuntimeError(f"the MCP server answered: {event.result['content']}")
    return event.exception


def _is_remote(tool: AgentTool) -> bool:
    """Whether `tool` is an MCP server's: its error results contain the text of exceptions.

    Recognised by the name of its class, because importing the class would load the MCP client into every agent.
    """
    return any(cls.__name__ == "MCPAgentTool" for cls in type(tool).__mro__)


async def _contained(context: ExecuteToolContext, call: Any) -> AsyncGenerator[Any, None]:
    """Turn a tool's BaseException into a RuntimeError.

    SystemExit and KeyboardInterrupt would otherwise stop the event loop, and a CancelledError of the tool's own (it
    awaited a task that was cancelled) would look like the cancellation of the run.
    """
    events = call(context)
    while True:
        try:
            event = await anext(events)
        except StopAsyncIteration:
            return
        except Exception:
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the run is cancelled
            raise RuntimeError(f"the tool {context.tool_use['name']} raised {type(error).__name__}") from error
        yield event

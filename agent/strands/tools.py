"""What a tool's failure means for a run.

Strands hands the text of a tool's exception to the model, which may repeat it to the user. Here the text goes to
the log only. A plain `ValueError` counts as bad arguments: the model is told that they were refused and may try again.
Of anything else, and of an error that an MCP server reports, the model is told that the tool failed; or the run ends
with TOOL_FAILED before the model is called again, where AGENT_TOOL_ERRORS says `run`. A tool that wants to tell the
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

# Strands warns of arguments that are not JSON and quotes them. They are the caller's words; the line "tool not run"
# below has the tool's name instead.
logging.getLogger("strands.event_loop.streaming").addFilter(lambda record: "raw_input" not in str(record.msg))

# Hooks stay with an agent, and so does what was said to it: a second run would inherit both.
_watched: WeakSet[Agent] = WeakSet()


def watch_tools(agent: Agent, broken_calls: Container[str], *, strict: bool) -> None:
    """Make failures of the agent's tools safe: no text of an exception leaves the process.

    A call whose id is in `broken_calls` is not made: Strands has taken its broken arguments for none at all. With
    `strict` a tool that fails ends the run; else the model hears that it failed, and the log how.
    Raises RuntimeError for an agent that was watched before.
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
        failures.pop(call_id, None)  # another hook may have asked for a second attempt
        failure = _failure(event)
        if failure is None:
            return
        # A subclass is some library's: of a backend's bad answer, for one, which no other argument would mend.
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
        # Raised here, where Strands unwinds by itself, rather than by abandoning its generators half way.
        if failures:
            _, failure = failures.popitem()
            failures.clear()
            raise AgentError(Code.TOOL_FAILED) from failure

    agent.add_middleware(ExecuteToolStage, _contained)
    agent.add_hook(before_tool_call, BeforeToolCallEvent)
    agent.add_hook(after_tool_call, AfterToolCallEvent)
    agent.add_hook(before_model_call, BeforeModelCallEvent)


def _failure(event: AfterToolCallEvent) -> Exception | None:
    """Return what went wrong in a call, None when nothing did or when the text is the tool's own for the model."""
    if event.selected_tool is None:
        return None  # the model made the tool's name up and hears so from Strands
    if event.exception is None and event.result["status"] == "error" and _is_remote(event.selected_tool):
        return RuntimeError(f"the MCP server answered: {event.result['content']}")
    return event.exception


def _is_remote(tool: AgentTool) -> bool:
    """Whether `tool` is an MCP server's: Strands and the servers put the text of exceptions into its results.

    Told by the name of its class, because importing it would load the MCP client into every agent.
    """
    return any(cls.__name__ == "MCPAgentTool" for cls in type(tool).__mro__)


async def _contained(context: ExecuteToolContext, call: Any) -> AsyncGenerator[Any, None]:
    """Keep what a tool raises within its call.

    SystemExit and KeyboardInterrupt would otherwise end the event loop, and a CancelledError that is the tool's own
    (it waited for a task that somebody cancelled) would be taken for the end of the run.
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
                raise  # the run ends
            raise RuntimeError(f"the tool {context.tool_use['name']} raised {type(error).__name__}") from error
        yield event

"""What a tool's failure means for a run.

Strands hands the text of a tool's exception to the model, which may repeat it to the user. Here the text goes to
the log only. A `ValueError` counts as bad arguments: the model is told that they were refused and may try again.
Anything else ends the run with TOOL_FAILED, before the model is called again. A tool that wants to tell the model
more returns `{"status": "error", "content": [{"text": "..."}]}` instead of raising.
"""

from __future__ import annotations

from strands import Agent
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent

from agent.errors import AgentError, Code
from agent.telemetry import error_fields, log_line

__all__ = ["watch_tools"]


def watch_tools(agent: Agent) -> None:
    """Make failures of the agent's tools safe: no text of an exception leaves the process."""
    failures: dict[str, Exception] = {}

    def after_tool_call(event: AfterToolCallEvent) -> None:
        call_id = str(event.tool_use["toolUseId"])
        failures.pop(call_id, None)  # another hook may have asked for a second attempt
        if event.exception is None or event.selected_tool is None:
            return  # it worked, or the model made the tool's name up and hears so from Strands
        refused = isinstance(event.exception, ValueError)
        if refused:
            line = {"message": "tool refused its arguments", "level": "WARNING", "tool": event.tool_use["name"]}
            log_line({**line, **error_fields(event.exception)})
        else:
            failures[call_id] = event.exception
        text = "The tool refused these arguments." if refused else "The tool failed."
        event.result = {"toolUseId": call_id, "status": "error", "content": [{"text": text}]}

    def before_model_call(event: BeforeModelCallEvent) -> None:
        # Raised here, where Strands unwinds by itself, rather than by abandoning its generators half way.
        for failure in failures.values():
            raise AgentError(Code.TOOL_FAILED) from failure

    agent.add_hook(after_tool_call, AfterToolCallEvent)
    agent.add_hook(before_model_call, BeforeModelCallEvent)

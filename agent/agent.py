"""The agent: this is the file to replace.

`build_agent` is called once per run and returns a Strands agent. It may also be an `async def` that yields strings;
nothing else has to change.
"""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from strands import Agent, tool
from strands.models import Model
from strands.types.content import Messages

from agent.request import Run


@tool
def current_time(timezone: str = "UTC") -> str:
    """Tell the current date and time.

    Args:
        timezone: An IANA time zone such as Europe/Paris.
    """
    if timezone not in available_timezones():
        raise ValueError("unknown time zone")  # the model is told that the tool refused its arguments
    return datetime.now(ZoneInfo(timezone)).isoformat(timespec="seconds")


def build_agent(run: Run, model: Model, history: Messages) -> Agent:
    """Return the agent that answers `run.prompt`, which continues `history`."""
    return Agent(
        model=model,
        messages=history,
        tools=[current_time],
        system_prompt="You are a helpful assistant. Answer plainly and briefly.",
        callback_handler=None,  # the default one prints the whole answer to the log
    )

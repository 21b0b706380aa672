"""Compiled LangGraph graphs, with LangChain's own OpenAI client."""

from __future__ import annotations

from typing import Any

from ag_ui.core import StateSnapshotEvent
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from agent.langgraph.messages import page_tools

__all__ = ["InMemorySaver", "graph", "ran", "writing"]

ran: list[str] = []
"""The cities that `weather` was asked for."""


@tool
def weather(city: str = "nowhere") -> str:
    """Tell the weather."""
    ran.append(city)
    return f"Rain in {city}."


@tool
def send(to: str) -> str:
    """Send a letter."""
    answer = interrupt({"to": to})
    return f"Sent to {to}." if answer == {"approved": True} else "The user refused."


def graph(url: str, checkpointer: Any = None, tools: Any = (weather, send), page: Any = ()) -> Any:
    model = ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="sk-test", max_retries=0, stream_usage=True)
    bound = model.bind_tools([*tools, *page_tools(page)])

    async def answer(state: MessagesState) -> Any:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    own = {one.name for one in tools}

    def route(state: MessagesState) -> str:
        last: Any = state["messages"][-1]
        return "tools" if any(use["name"] in own for use in last.tool_calls) else END

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_node("tools", ToolNode(list(tools)))
    builder.add_edge(START, "answer")
    builder.add_conditional_edges("answer", route, ["tools", END])
    builder.add_edge("tools", "answer")
    return builder.compile(checkpointer=checkpointer)


def writing() -> Any:
    """A graph whose node writes words, values and events to the stream."""

    async def node(state: MessagesState, config: RunnableConfig) -> Any:
        write = get_stream_writer()
        write("Hello ")
        write(config["configurable"]["run"].user)
        write({"found": 1})
        write(StateSnapshotEvent(snapshot={"step": 2}))
        write(object())
        return {}

    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile()

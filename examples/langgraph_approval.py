"""A LangGraph graph that asks for approval before it acts. Needs `langgraph` and `langchain-openai` in
agent/requirements.in.

The checkpointer keeps conversations in this process; with a durable one, an interrupt can be answered after a restart.
"""

import os
from typing import Any

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt

from agent.request import Run


@tool
def refund(order: int) -> str:
    """Refund an order."""
    answer = interrupt({"question": f"Refund order {order}?"})
    return f"Order {order} is refunded." if answer == {"approved": True} else "The user refused."


async def _answer(state: MessagesState) -> dict[str, Any]:
    model = ChatOpenAI(
        model=os.environ.get("CHAT_MODEL", "gpt-5-mini"), base_url=os.environ.get("AGENT_OPENAI_BASE_URL")
    ).bind_tools([refund])
    return {"messages": [await model.ainvoke(state["messages"])]}


_graph = StateGraph(MessagesState)
_graph.add_node("answer", _answer)
_graph.add_node("tools", ToolNode([refund]))
_graph.add_edge(START, "answer")
_graph.add_conditional_edges("answer", tools_condition)
_graph.add_edge("tools", "answer")
_compiled = _graph.compile(checkpointer=InMemorySaver())


def build_agent(run: Run) -> Any:
    """Return the graph; its checkpointer keeps each conversation under its own thread id."""
    return _compiled

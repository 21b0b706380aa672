"""Tests AWS behaviour that AWS does not document and that this project's docs mark as unconfirmed.

Each fact is tested with one or two requests as the signed-in user. In a local run the results show the emulation, not
AWS; the report says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from client.account import claims_of
from client.doctor.check import CheckContext, Fail, Inconclusive
from client.doctor.checks.cors import ALLOW
from client.doctor.checks.runtime_policy import OPERATIONS, status_of
from client.doctor.probe import SHORT
from client.doctor.responder import expect_responder
from client.errors import ClientError
from client.recording import Recording
from client.request import new_id
from contract import SESSION_HEADER

Verdict = Literal["confirmed", "refuted", "open"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Attributes:
        text: the assumption.
        page: the page of the docs that marks it as unconfirmed.
        verdict: the result; ``open`` when it cannot be tested from outside, or not now.
        seen: the observation.
    """

    text: str
    page: str
    verdict: Verdict
    seen: str


Looked = tuple[Verdict, str]


async def check_facts(context: CheckContext) -> list[Fact]:
    """Test every fact in order; one that cannot be tested is open, with the reason."""
    found: list[Fact] = []
    for text, page, observe in _FACTS:
        try:
            verdict, seen = await observe(context)
        except (ClientError, Inconclusive, Fail) as error:
            verdict, seen = "open", str(error)
        found.append(Fact(text, page, verdict, seen))
    return found


async def _ask(context: CheckContext, headers: Mapping[str, str] | None = None) -> Recording:
    answer = await context.ask(SHORT, token=(await context.signed_in()).id, headers=headers)
    expect_responder(answer, "With a short question", "agent")
    return answer


async def _session_is_the_user(context: CheckContext) -> Looked:
    if context.outputs.session_from != "user":
        return "open", f"api.sessionFrom is {context.outputs.session_from}"
    answer = await _ask(context)
    return _is_users(answer, context, "the answer's session")


async def _mapping_wins(context: CheckContext) -> Looked:
    if context.outputs.session_from != "user":
        return "open", f"api.sessionFrom is {context.outputs.session_from}"
    named = new_id()
    answer = await _ask(context, headers={SESSION_HEADER: named})
    if answer.code == "SESSION_FORBIDDEN":
        return "refuted", "the agent got the client's session id, and refused it"
    return _is_users(answer, context, f"with the client's session id {named}, the answer's session")


def _is_users(answer: Recording, context: CheckContext, what: str) -> Looked:
    user = str(claims_of(context.tokens.id if context.tokens else "").get("sub", ""))
    session = str(answer.headers.get(SESSION_HEADER, ""))
    if not session:
        return "open", f"the answer has no session header ({answer.summary()})"
    return ("confirmed" if session == user else "refuted"), f"{what} is {session}, and the user is {user}"


async def _no_second_origin(context: CheckContext) -> Looked:
    answer = await _ask(context, headers={"Origin": context.origin or "https://page.example"})
    origins = answer.headers.get_list(ALLOW)
    verdict: Verdict = "refuted" if len(origins) > 1 else "confirmed"
    return verdict, f"Access-Control-Allow-Origin: {', '.join(origins) or 'none'}"


async def _siblings_are_denied(context: CheckContext) -> Looked:
    token = (await context.signed_in()).id
    said = {one.action: await status_of(context, one, token) for one in OPERATIONS}
    listed = ", ".join(f"{action} {status or 'no answer'}" for action, status in said.items())
    if any(0 < status < 300 or status == 424 for status in said.values()):
        return "refuted", listed
    return ("confirmed" if all(status in (401, 403) for status in said.values()) else "open"), listed


async def _hang_up(_context: CheckContext) -> Looked:
    return "open", (
        "cannot be tested from outside: disconnect during an answer (`client ask`, close the window) and read "
        "unreadSeconds in the run's line of the runtime's log; nothing in this project depends on it"
    )


_FACTS: tuple[tuple[str, str, Callable[[CheckContext], Awaitable[Looked]]], ...] = (
    ("API Gateway maps the token's sub into the session header", "docs/security.md", _session_is_the_user),
    ("a mapped header replaces the one that a client sends", "docs/security.md", _mapping_wins),
    ("AgentCore adds no Access-Control-Allow-Origin of its own", "docs/troubleshooting.md#cors", _no_second_origin),
    ("the runtime's policy denies its commands, shell and WebSocket", "docs/security.md", _siblings_are_denied),
    ("AgentCore tells the agent that a client has disconnected", "docs/troubleshooting.md#hang-up", _hang_up),
)

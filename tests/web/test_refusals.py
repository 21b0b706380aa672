"""What goes wrong, and the line that a user reads: throttled, refused by the firewall, signed out meanwhile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from client.outputs import Outputs
from local import ROOT
from tests.e2e.conftest import RunningChain
from tests.e2e.project import copy_project
from tests.web.browser import CuttingProxy
from tests.web.conftest import Chat, fill_login_page

BLOCKED = "127.0.0.2"

TIGHT = f"""
    invocationRate: 0.001
    invocationBurst: 1
  agent-stream:firewall:
    blockedAddresses: [{BLOCKED}/32]
"""
"""One question, and then none for a quarter of an hour; one address not even that."""


@pytest.fixture(scope="module")
def tight(built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """A chain of a stack with little patience."""
    project = copy_project(tmp_path_factory.mktemp("tight"))
    shutil.copytree(ROOT / "web", project / "web", ignore=shutil.ignore_patterns("node_modules", "tests"))
    shutil.copytree(built_page, project / ".build" / built_page.name)
    settings = project / "Pulumi.dev.yaml"
    changed = re.sub(r"(  agent-stream:api:\n(?:    .*\n)+)", lambda api: api[0].rstrip() + TIGHT, settings.read_text())
    settings.write_text(changed)
    running = RunningChain(tmp_path_factory.mktemp("tight-chain"), project=project)
    try:
        running.wait_until_up()
        yield running
    finally:
        running.end()


def test_who_asks_too_often_is_told_to_wait(tight: RunningChain, page: Page) -> None:
    page.goto(tight.outputs.website_url)
    fill_login_page(page, tight.outputs)
    chat = Chat(page)
    chat.ask("First. [words=3]")
    chat.wait_until_done()
    chat.ask("Second. [words=3]")
    expect(chat.problem).to_contain_text("Too many requests")
    expect(chat.problem).to_have_attribute("data-code", "429")
    expect(chat.problem.get_by_role("button", name="Retry")).to_be_visible()
    expect(chat.questions).to_have_count(2)


def test_whom_the_firewall_refuses_is_told_so_and_may_not_just_retry(
    tight: RunningChain, browser: Browser, outputs: Outputs
) -> None:
    del outputs
    proxy = CuttingProxy(source=BLOCKED)
    context = browser.new_context(locale="en-GB", proxy={"server": proxy.url, "bypass": "<-loopback>"})
    try:
        page = context.new_page()
        page.goto(tight.outputs.website_url)
        fill_login_page(page, tight.outputs)
        chat = Chat(page)
        chat.ask("Hello.")
        expect(chat.problem).to_contain_text("The firewall refuses this request")
        expect(chat.problem.get_by_role("button", name="Retry")).not_to_be_visible()
    finally:
        context.close()
        proxy.close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("throttled", "too many requests at the moment"),
        ("unavailable", "model cannot be reached"),
        ("context", "too long for the model"),
        ("internal", "Something failed inside the agent"),
    ],
)
def test_an_error_of_the_agent_is_a_line_and_what_was_said_stays(chat: Chat, kind: str, words: str) -> None:
    chat.ask(f"Break. [words=9 pause=0.01 fail={kind} at=6]")
    expect(chat.problem).to_contain_text(words)
    assert "You asked: “Break.”" in chat.answer
    expect(chat.send).to_be_visible()


def test_the_reference_of_an_error_is_told_and_its_text_is_not(chat: Chat) -> None:
    chat.ask("Break. [fail=secret]")
    expect(chat.problem).to_contain_text(re.compile(r"\(reference [0-9a-f]+\)"))
    expect(chat.problem).not_to_contain_text("hunter2")


def test_a_sign_in_that_has_ended_leads_over_the_login_page_back_to_the_same_question(
    chat: Chat, outputs: Outputs
) -> None:
    chat.ask("Before. [words=3]")
    chat.wait_until_done()
    page, conversation = chat.page, chat.page.url
    refuse_tokens(page)
    page.route("**/invocations", with_a_token_that_is_none)
    chat.ask("After. [words=3]")
    page.wait_for_url("**/oauth2/authorize?**")
    page.unroute_all()
    fill_login_page(page, outputs)
    expect(chat.question).to_have_value("After. [words=3]")
    assert page.url == conversation


def with_a_token_that_is_none(route: Route) -> None:
    """The request as it is, with a token that the gateway refuses as it refuses one that has expired."""
    headers = route.request.headers
    route.continue_(headers={**headers, "authorization": headers["authorization"][:-8]})


def test_a_token_that_the_api_refuses_is_renewed_and_the_question_asked_again(chat: Chat, proxy: CuttingProxy) -> None:
    page, before = chat.page, len(proxy.requests)
    page.route("**/invocations", with_a_token_that_is_none, times=1)
    chat.ask("Once more. [words=4]")
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    expect(chat.questions).to_have_count(1)
    since = [one for one in proxy.requests[before:] if one.startswith("POST")]  # the icon comes when it likes
    assert since == ["POST /invocations", "POST /oauth2/token", "POST /invocations"]


def test_a_token_that_is_about_to_end_is_renewed_before_it_is_used(chat: Chat, proxy: CuttingProxy) -> None:
    page = chat.page
    forms: list[str] = []

    def note(request: Request) -> None:
        if "oauth2/token" in request.url:
            forms.append(request.post_data or "")

    page.on("request", note)
    page.clock.install()
    page.clock.fast_forward("59:30")
    before = len(proxy.requests)
    for _ in range(2):  # the second renewal is with the refresh token that the first one gave
        chat.ask("Late. [words=4]")
        chat.wait_until_done()
        page.clock.fast_forward("59:30")
    since = [one for one in proxy.requests[before:] if one.startswith("POST")]  # the icon comes when it likes
    assert since == ["POST /oauth2/token", "POST /invocations"] * 2
    assert all("grant_type=refresh_token" in form for form in forms)
    assert len(set(forms)) == 2


def refuse_tokens(page: Page) -> None:
    """From now on the user pool renews nothing, as when the refresh token is revoked."""

    def answer(route: Route) -> None:
        route.fulfill(status=400, json={"error": "invalid_grant"}, headers={"Access-Control-Allow-Origin": "*"})

    page.route("**/oauth2/token", answer)


def test_an_api_that_cannot_be_reached_is_told_and_retried_by_the_user(chat: Chat, proxy: CuttingProxy) -> None:
    proxy.cut("/nothing", away=True)
    chat.ask("Hello. [words=3]")
    expect(chat.problem).to_contain_text("The API cannot be reached")
    proxy.back()
    chat.problem.get_by_role("button", name="Retry").click()
    chat.wait_until_done()
    assert "Hello." in chat.answer
    expect(chat.questions).to_have_count(1)

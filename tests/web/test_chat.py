"""What a user does first: sign in, ask, read the words as they arrive."""

from __future__ import annotations

import itertools
import json

import pytest
from playwright.sync_api import Page, expect

from client.outputs import Outputs
from tests.web.conftest import Chat, SignIn, fill_login_page

FRAMES = """() => {
  window.seen = [];
  const look = () => {
    const words = document.querySelector('.answer')?.textContent ?? '';
    if (words && words !== window.seen.at(-1)) window.seen.push(words);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
"""Keeps what each frame of the browser showed of the answer, where it differs from the frame before."""


def test_signing_in_leads_back_to_the_page_and_leaves_no_token_behind(chat: Chat, outputs: Outputs) -> None:
    expect(chat.question).to_be_focused()
    page = chat.page
    assert page.url.startswith(f"{outputs.website_url}#")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "ey" + "J" not in kept
    assert "code_verifier" not in kept


def test_a_wrong_password_is_the_login_page_s_to_tell(page: Page, sign_in: SignIn, outputs: Outputs) -> None:
    sign_in(page, password="Wrong-password-1")
    expect(page.get_by_text("Incorrect username or password.")).to_be_visible()
    page.goto(outputs.website_url)
    fill_login_page(page, outputs)
    expect(Chat(page).question).to_be_visible()


def test_a_refusal_of_the_login_page_is_told_and_asks_no_second_time_by_itself(page: Page, outputs: Outputs) -> None:
    page.goto(f"{outputs.website_url}?error=access_denied&error_description=No+access&state=made-up")
    expect(page.get_by_role("alert")).to_contain_text("The sign-in did not work")
    assert "state=" not in page.url
    page.get_by_role("button", name="Sign in").click()
    fill_login_page(page, outputs)
    expect(Chat(page).question).to_be_visible()


def test_words_are_painted_as_they_arrive(chat: Chat) -> None:
    chat.page.evaluate(FRAMES)
    chat.ask("Slowly. [words=20 pause=0.1]")
    chat.wait_until_done()
    frames = chat.page.evaluate("window.seen")
    assert len(frames) >= 5
    assert all(len(before) < len(after) for before, after in itertools.pairwise(frames))
    assert "Slowly." in chat.answer


def test_the_view_follows_whatever_grows_until_the_user_looks_back(chat: Chat) -> None:
    page = chat.page
    chat.ask("Long. [words=600 pause=0 fail=throttled at=599]")
    expect(chat.problem).to_be_in_viewport()
    page.get_by_role("log").hover()
    page.mouse.wheel(0, -1000)
    to_end = page.get_by_role("button", name="To the end")
    expect(to_end).to_be_visible()
    expect(chat.problem).not_to_be_in_viewport()
    to_end.click()
    expect(chat.problem).to_be_in_viewport()
    expect(to_end).not_to_be_visible()


def test_a_starter_is_asked_with_a_click(chat: Chat) -> None:
    chat.page.get_by_role("button", name="What time is it in Tokyo?").click()
    expect(chat.questions).to_have_text("What time is it in Tokyo?")
    expect(chat.page.get_by_role("link", name="What time is it in Tokyo?")).to_be_visible()
    chat.wait_until_done()
    assert "Tokyo" in chat.answer


def test_before_the_first_word_the_page_says_that_it_waits(chat: Chat) -> None:
    chat.ask("Think. [words=3 after=1]")
    waiting = chat.page.get_by_text("Waiting for the first word")
    expect(waiting).to_be_attached()
    chat.wait_until_done()
    expect(waiting).not_to_be_attached()


def test_a_tool_call_is_a_folded_step_with_arguments_and_result(chat: Chat) -> None:
    chat.ask("Now? [words=3 tool=current_time timezone=Asia/Tokyo]")
    chat.wait_until_done()
    step = chat.page.get_by_role("group").filter(has_text="Tool current_time")
    expect(step.get_by_text("+09:00")).not_to_be_visible()
    step.get_by_text("Tool current_time").click()
    expect(step.get_by_text("Asia/Tokyo")).to_be_visible()
    expect(step.get_by_text("+09:00")).to_be_visible()


def test_reasoning_is_a_folded_step(chat: Chat) -> None:
    chat.ask("Why? [words=3 think=5 pause=0.01]")
    chat.wait_until_done()
    chat.page.get_by_text("Reasoning").click()
    expect(chat.page.get_by_text("This answer comes from the").first).to_be_visible()


def test_a_question_asked_again_replaces_its_answer(chat: Chat) -> None:
    chat.ask("First. [words=4]")
    chat.wait_until_done()
    chat.ask("Second. [words=4]")
    chat.wait_until_done()
    chat.questions.first.get_by_role("button", name="Edit").click()
    chat.page.get_by_role("textbox", name="Edit").fill("Changed. [words=4]")
    chat.page.get_by_role("button", name="Send").first.click()
    expect(chat.questions).to_have_count(1)
    chat.wait_until_done()
    expect(chat.answers).to_have_count(1)
    assert "Changed." in chat.answer


def test_an_answer_is_copied_as_it_was_written(chat: Chat) -> None:
    chat.ask("**Bold**. [words=4]")
    chat.wait_until_done()
    chat.answers.get_by_role("button", name="Copy").click()
    expect(chat.page.get_by_role("button", name="Copied")).to_be_visible()
    assert "**Bold**" in chat.page.evaluate("navigator.clipboard.readText()")


def test_signing_out_ends_the_sign_in_here_and_there(chat: Chat, outputs: Outputs) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    chat.page.get_by_role("button", name="Sign out").click()
    chat.page.wait_for_url("**/oauth2/authorize?**")
    assert any(url.startswith(f"{outputs.login_url}/oauth2/revoke") for url in asked)
    left = next(url for url in asked if url.startswith(f"{outputs.login_url}/logout?"))
    assert f"client_id={outputs.user_pool_client_id}" in left


@pytest.mark.parametrize("kind", ["<", "&"])
def test_a_question_is_shown_as_it_was_typed(chat: Chat, kind: str) -> None:
    chat.ask(f"{kind}b>x [words=2]")
    expect(chat.questions.first).to_contain_text(f"{kind}b>x")
    chat.wait_until_done()


def test_config_holds_nothing_secret(chat: Chat, outputs: Outputs) -> None:
    config = chat.page.evaluate("fetch('config.json').then(answer => answer.json())")
    assert outputs.demo_password is not None
    assert outputs.demo_password.get_secret_value() not in json.dumps(config)
    assert config["invokeUrl"] == "/invocations"

"""For everybody: keyboard, screen reader, small screens, light and dark, English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from client.outputs import Outputs
from infra.built_page import SOURCES
from tests.web.conftest import Chat, SignIn, fill_login_page
from tools.page import PageError, install_packages

PHONE = {"width": 360, "height": 640}


@pytest.fixture(scope="session")
def axe() -> str:
    """Deque's checker, as npm installs it."""
    try:
        install_packages()
    except PageError as error:
        pytest.skip(str(error))
    return Path(SOURCES, "node_modules", "axe-core", "axe.min.js").read_text()


def violations(page: Page, axe: str) -> list[dict[str, Any]]:
    """What axe-core finds, each with the elements concerned."""
    page.evaluate(f"() => {{ {axe} }}")
    found = page.evaluate("axe.run().then(result => JSON.stringify(result.violations))")
    return [{"rule": one["id"], "at": [node["html"] for node in one["nodes"]]} for one in json.loads(found)]


def converse(chat: Chat) -> None:
    """A conversation with everything in it: a tool call, reasoning, an answer, an error."""
    chat.ask("Now? [words=12 pause=0 tool=current_time timezone=Asia/Tokyo]")
    chat.wait_until_done()
    chat.ask("`Why` **so**? [words=12 pause=0 think=3 fail=throttled at=11]")
    expect(chat.problem).to_be_visible()
    for summary in chat.page.locator("summary").all():
        summary.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_axe_finds_nothing(
    browser: Browser, outputs: Outputs, axe: str, scheme: str, size: str, tmp_path: Path
) -> None:
    del tmp_path
    viewport = PHONE if size == "phone" else {"width": 1280, "height": 800}
    context = browser.new_context(locale="en-GB", color_scheme=scheme, viewport=viewport, reduced_motion="reduce")  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.goto(outputs.website_url)
        fill_login_page(page, outputs)
        chat = Chat(page)
        expect(chat.question).to_be_visible()
        assert violations(page, axe) == []
        converse(chat)
        assert violations(page, axe) == []
        if size == "phone":
            page.get_by_role("button", name="Menu").click()
            assert violations(page, axe) == []
    finally:
        context.close()


def test_the_keyboard_alone_is_enough(chat: Chat) -> None:
    page = chat.page
    page.keyboard.type("Hello. [words=4]")
    page.keyboard.press("Enter")
    chat.wait_until_done()
    expect(chat.question).to_be_focused()
    page.keyboard.press("Shift+Enter")
    expect(chat.question).to_have_value("\n")
    reached = []
    page.locator("body").evaluate("() => document.activeElement.blur()")
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent || document.activeElement.ariaLabel"))
    text = " ".join(filter(None, reached))
    for name in ("Skip to the question", "Sign out", "New conversation", "Edit", "Retry", "Copy"):
        assert name in text


def test_the_skip_link_leads_to_the_question_and_keeps_the_conversation(chat: Chat) -> None:
    before = chat.page.url
    chat.page.get_by_role("link", name="Skip to the question").press("Enter")
    expect(chat.question).to_be_focused()
    assert chat.page.url == before


def test_a_screen_reader_hears_the_start_and_the_whole_answer_and_not_every_word(chat: Chat) -> None:
    chat.page.evaluate(
        """() => {
          window.said = [];
          for (const region of document.querySelectorAll('[aria-live=polite], [role=status]')) {
            const note = () => region.textContent && window.said.push(region.textContent);
            new MutationObserver(note).observe(region, {subtree: true, childList: true, characterData: true});
          }
        }"""
    )
    chat.ask("Hello. [words=30 pause=0.03]")
    chat.wait_until_done()
    said = chat.page.evaluate("window.said")
    assert said[0] == "The agent is answering."
    assert said[-1].startswith("Answer: You asked:")
    assert len(said) == 2
    expect(chat.page.get_by_role("log")).to_have_attribute("aria-live", "off")


def test_nothing_is_wider_than_a_phone(page: Page, sign_in: SignIn) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page)
    chat = Chat(page)
    chat.ask(f"{'wide' * 60} [words=20 pause=0]")
    chat.wait_until_done()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(chat.send).to_be_in_viewport()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_role("button", name="New conversation")).not_to_be_visible()
    expect(chat.questions).to_have_count(0)


def test_the_page_speaks_chinese_where_the_browser_does(browser: Browser, outputs: Outputs) -> None:
    context = browser.new_context(locale="zh-CN")
    try:
        page = context.new_page()
        page.goto(outputs.website_url)
        fill_login_page(page, outputs)
        expect(page.get_by_role("textbox", name="你的问题")).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == "zh"
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("textbox", name="Your question")).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == "en"
    finally:
        context.close()


def test_the_theme_is_the_system_s_until_one_is_chosen(chat: Chat) -> None:
    page = chat.page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate(ground) == dark

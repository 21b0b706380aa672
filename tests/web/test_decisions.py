"""What the agent asks of the page, a tool or a decision, and what the user shows it: images."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from client.outputs import Outputs
from tests.web.conftest import Chat, fill_login_page

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

GIVE = """(element, [kind, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, {type}));
  const how = {bubbles: true, cancelable: true};
  element.dispatchEvent(kind === 'drop'
    ? new DragEvent('drop', {...how, dataTransfer: carried})
    : new ClipboardEvent('paste', {...how, clipboardData: carried}));
}"""
"""Drops or pastes a file, as the browser does it: scripts cannot move the user's mouse."""


def give(target: Locator, kind: str, name: str = "pixel.png", media: str = "image/png", data: bytes = PIXEL) -> None:
    target.evaluate(GIVE, [kind, name, media, base64.b64encode(data).decode()])


def asked(page: Page) -> list[Mapping[str, Any]]:
    """The bodies that the page sends to the API from now on."""
    bodies: list[Mapping[str, Any]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/invocations"):
            bodies.append(json.loads(request.post_data or ""))

    page.on("request", note)
    return bodies


def theme(page: Page) -> str:
    return str(page.evaluate("document.documentElement.dataset.theme"))


def test_a_tool_of_the_page_runs_in_it_and_the_agent_goes_on_with_its_result(chat: Chat) -> None:
    bodies = asked(chat.page)
    chat.ask("Darker, please. [words=6 tool=set_theme theme=dark]")
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    assert theme(chat.page) == "dark"
    assert "Darker" in chat.answer
    first, second = bodies
    assert [tool["name"] for tool in first["tools"]] == ["set_theme"]
    (result,) = second["messages"]
    assert (result["role"], json.loads(result["content"])) == ("tool", {"theme": "dark"})
    chat.page.get_by_text("Tool set_theme").click()
    expect(chat.page.get_by_role("group").filter(has_text="Tool set_theme")).to_contain_text("Result")


def test_what_a_model_gives_to_a_tool_of_the_page_is_checked(chat: Chat) -> None:
    bodies = asked(chat.page)
    before = theme(chat.page)
    chat.ask("Pink. [words=3 tool=set_theme theme=pink]")
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    assert theme(chat.page) == before
    assert "error" in json.loads(bodies[1]["messages"][0]["content"])


@pytest.mark.parametrize(("button", "decided"), [("Approve", "The user approved."), ("Decline", "The user declined.")])
def test_the_agent_waits_for_a_decision_and_goes_on_with_it(chat: Chat, button: str, decided: str) -> None:
    chat.ask("Pay. [words=4 tool=ask_first question=Pay?]")
    dialog = chat.page.get_by_role("dialog", name="The agent asks")
    expect(dialog).to_contain_text("Pay?")
    expect(chat.answers).to_have_count(0)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).not_to_be_visible()
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    chat.page.get_by_text("Tool ask_first").click()
    expect(chat.page.get_by_role("group").filter(has_text="Tool ask_first")).to_contain_text(decided)


def test_escape_declines(chat: Chat) -> None:
    chat.ask("Pay. [words=4 tool=ask_first question=Pay?]")
    dialog = chat.page.get_by_role("dialog", name="The agent asks")
    expect(dialog).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    chat.page.get_by_text("Tool ask_first").click()
    expect(chat.page.get_by_role("group").filter(has_text="Tool ask_first")).to_contain_text("The user declined.")


def test_a_decision_that_is_open_is_asked_for_again_after_a_reload(chat: Chat, outputs: Outputs) -> None:
    chat.ask("Pay. [words=4 tool=ask_first question=Pay?]")
    dialog = chat.page.get_by_role("dialog", name="The agent asks")
    expect(dialog).to_be_visible()
    chat.page.reload()
    fill_login_page(chat.page, outputs)
    expect(dialog).to_contain_text("Pay?")
    dialog.get_by_role("button", name="Approve").click()
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    assert "Pay." in chat.answer


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_goes_with_the_question_and_is_there_after_a_reload(chat: Chat, outputs: Outputs, kind: str) -> None:
    bodies = asked(chat.page)
    give(chat.question, kind)
    expect(chat.page.get_by_role("img", name="pixel.png")).to_be_visible()
    chat.ask("What is this? [words=4]")
    chat.wait_until_done()
    text, image = bodies[0]["messages"][0]["content"]
    assert text["text"] == "What is this? [words=4]"
    assert image["source"] == {"type": "data", "mimeType": "image/png", "value": base64.b64encode(PIXEL).decode()}
    shown = chat.questions.locator("img")
    expect(shown).to_have_count(1)
    expect(chat.problem).not_to_be_visible()
    chat.page.reload()
    fill_login_page(chat.page, outputs)
    expect(shown).to_have_count(1)
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


@pytest.mark.parametrize(
    ("name", "media", "data", "words"),
    [
        ("page.svg", "image/svg+xml", b"<svg/>", "Only PNG, JPEG, GIF and WebP"),
        ("large.png", "image/png", bytes(3 * 1024 * 1024 + 1), "larger than 3 MB"),
    ],
    ids=["kind", "size"],
)
def test_an_image_that_cannot_be_sent_is_told_before_it_is(
    chat: Chat, name: str, media: str, data: bytes, words: str
) -> None:
    give(chat.question, "drop", name, media, data)
    expect(chat.problem).to_contain_text(words)
    expect(chat.page.get_by_role("img", name=name)).not_to_be_visible()
    expect(chat.send).to_be_disabled()


def test_an_image_is_taken_back(chat: Chat) -> None:
    give(chat.question, "paste")
    chat.page.get_by_role("button", name=re.compile("Remove the image")).click()
    expect(chat.page.get_by_role("img", name="pixel.png")).not_to_be_visible()
    expect(chat.send).to_be_disabled()

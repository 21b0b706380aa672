"""An answer's Markdown as the page shows it; the stream is written here, for the scripted model writes no listings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.web.conftest import Chat

LISTING = "for word in answer:\n    print(word)\n"

MARKDOWN = f"""# Title

Before [a reference][1].

```python
{LISTING}```

| a | b |
|---|---|
| 1 | 2 |

1. one
2. two

<b>not bold</b>

[1]: https://example.com/page
"""


def stream_of(markdown: str) -> str:
    events: list[Mapping[str, Any]] = [
        {"type": "RUN_STARTED", "threadId": "T", "runId": "R"},
        {"type": "TEXT_MESSAGE_START", "messageId": "A", "role": "assistant"},
        *({"type": "TEXT_MESSAGE_CONTENT", "messageId": "A", "delta": part} for part in markdown.splitlines(True)),
        {"type": "TEXT_MESSAGE_END", "messageId": "A"},
        {"type": "RUN_FINISHED", "threadId": "T", "runId": "R"},
    ]
    return "".join(f"id: R:{number}\ndata: {json.dumps(event)}\n\n" for number, event in enumerate(events, 1))


@pytest.fixture
def answered(chat: Chat) -> Chat:
    """The page after an answer that has everything in it."""

    def answer(route: Route) -> None:
        route.fulfill(body=stream_of(MARKDOWN), content_type="text/event-stream")

    chat.page.route("**/invocations", answer)
    chat.ask("Show me.")
    expect(chat.answers).to_have_count(1)
    chat.wait_until_done()
    return chat


def test_every_kind_of_block_is_shown_as_what_it_is(answered: Chat) -> None:
    inside = answered.page.locator(".answer .markdown")
    expect(inside.get_by_role("heading", name="Title", level=2)).to_be_visible()
    expect(inside.get_by_role("link", name="a reference")).to_have_attribute("href", "https://example.com/page")
    expect(inside.get_by_role("cell", name="2")).to_be_visible()
    expect(inside.get_by_role("listitem")).to_have_count(2)
    expect(inside.locator("pre")).to_have_text(LISTING.rstrip("\n"))
    expect(inside).to_contain_text("<b>not bold</b>")
    expect(inside.locator("b")).to_have_count(0)


def test_a_listing_is_copied_alone_and_as_it_is(answered: Chat) -> None:
    answered.page.get_by_role("button", name="Copy the code").click()
    expect(answered.page.get_by_role("button", name="Copied")).to_be_visible()
    assert answered.page.evaluate("navigator.clipboard.readText()") == LISTING.rstrip("\n")

"""The page in a real browser, before the whole local chain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from client.outputs import Outputs
from tests.e2e.conftest import RunningChain
from tests.web.browser import ARGUMENTS, CuttingProxy
from tools.browser import MISSING, find_chromium
from tools.page import PageError, build

PATIENCE = 30_000
"""Milliseconds after which what should appear never will; no test waits this long when all is well."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def built_page() -> Path:
    """The page of the present sources."""
    try:
        return build()
    except PageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def chain(built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """The dev stack's chain, which serves the page."""
    del built_page
    running = RunningChain(tmp_path_factory.mktemp("web-chain"))
    try:
        running.wait_until_up()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def outputs(chain: RunningChain) -> Outputs:
    """The chain's outputs."""
    return chain.outputs


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright's own process."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def proxy() -> Iterator[CuttingProxy]:
    """What stands between the browser and the chain."""
    proxy = CuttingProxy()
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def browser(playwright: Playwright, proxy: CuttingProxy) -> Iterator[Browser]:
    """One browser for all tests; each has a context of its own."""
    program = find_chromium()
    if program is None:
        pytest.skip(MISSING)
    # Chromium asks no proxy for loopback unless it is told to.
    through = {"server": proxy.url, "bypass": "<-loopback>"}
    browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS), proxy=through)  # type: ignore[arg-type]
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser, proxy: CuttingProxy) -> Iterator[BrowserContext]:
    """A browser that nobody has used yet."""
    proxy.back()
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab; a script that fails in it fails the test."""
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    assert not failures


SignIn = Callable[..., None]


@pytest.fixture
def sign_in(outputs: Outputs) -> SignIn:
    """Opens the page, or another address of it, and signs the demo user in on the login page."""

    def sign_in(page: Page, address: str | None = None, password: str | None = None) -> None:
        page.goto(address or outputs.website_url)
        fill_login_page(page, outputs, password)

    return sign_in


def fill_login_page(page: Page, outputs: Outputs, password: str | None = None) -> None:
    """Type name and password on the login page, wherever the browser came from."""
    assert outputs.demo_password is not None
    page.wait_for_url(re.compile(r".*/oauth2/authorize\?.*"))
    page.get_by_label("Username").fill(outputs.demo_username or "")
    page.get_by_label("Password").fill(password or outputs.demo_password.get_secret_value())
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def chat(page: Page, sign_in: SignIn) -> Chat:
    """The page, signed in, with an empty conversation."""
    sign_in(page)
    chat = Chat(page)
    expect(chat.question).to_be_visible()
    return chat


class Chat:
    """What a user does on the page, and sees."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.question = page.get_by_role("textbox", name="Your question")
        self.answers = page.get_by_role("article", name="Agent")
        self.questions = page.get_by_role("article", name="You")
        self.stop = page.get_by_role("button", name="Stop")
        self.send = page.get_by_role("button", name="Send")
        self.problem = page.get_by_role("alert")

    def ask(self, words: str) -> None:
        """Type a question and press Enter."""
        self.question.fill(words)
        self.question.press("Enter")

    def wait_for_words(self, count: int) -> None:
        """Until the answer has so many words."""
        self.page.wait_for_function(
            "count => (document.querySelector('.answer:last-of-type .markdown')?.textContent ?? '').trim()"
            ".split(/\\s+/).length >= count",
            arg=count,
        )

    def wait_until_done(self) -> None:
        """Until the answer is over."""
        expect(self.send).to_be_visible()

    @property
    def answer(self) -> str:
        """The last answer's words."""
        return self.page.locator(".answer .markdown").last.inner_text()


def told(chain: RunningChain) -> list[dict[str, object]]:
    """What the agent has told of its runs, in its log."""
    log = (chain.folder / "logs" / "agent.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("message") == "run"]

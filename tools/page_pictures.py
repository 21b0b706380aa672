"""Makes the pictures of the chat page, with a local chain and the page in Chromium: ``python -m tools.page_pictures``.

Makes docs/page-light.png and docs/page-dark.png, a conversation beside the inspector, and docs/page-moving.png, an
answer as it arrives.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, FloatRect, Locator, Page, sync_playwright

from client.outputs import Outputs, read_outputs
from local import ROOT
from tools.browser import MISSING, find_chromium
from tools.moving_png import Frame, moving
from tools.page import build

DOCS = ROOT / "docs"

STILL = {"width": 1280, "height": 800}
MOVING = {"width": 960, "height": 600}
"""High enough that nothing scrolls, so that only the answer and the time line change."""

EARLIER = "What time is it? [tool=current_time]"
QUESTION = "Why do the words arrive one by one?"

TICK_MILLISECONDS = 160
"""The time between two frames; not shorter, so that the file is small."""

REST_MILLISECONDS = 2_500
"""How long the whole answer is shown before the animation starts again."""


@contextmanager
def served() -> Iterator[Outputs]:
    """Run a chain that serves the page, inside the block."""
    with tempfile.TemporaryDirectory(prefix="agent-stream-") as folder:
        argv = [sys.executable, "-m", "local", "up", "--folder", folder]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own arguments
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            if not any("stop" in line for line in process.stdout):
                raise SystemExit("The chain did not come up.")
            yield read_outputs(Path(folder, "outputs.json"))
        finally:
            process.terminate()
            process.wait()


def signed_in(browser: Browser, outputs: Outputs, scheme: Literal["light", "dark"], size: dict[str, int]) -> Page:
    """The page with the inspector open."""
    context = browser.new_context(locale="en-GB", color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(outputs.website_url)
    page.get_by_label("Username").fill(outputs.demo_username or "")
    page.get_by_label("Password").fill(outputs.demo_password.get_secret_value() if outputs.demo_password else "")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Inspector").click()
    page.get_by_role("complementary", name="Inspector").wait_for()
    return page


def ask(page: Page, words: str) -> None:
    """Type a question and send it; return when its answer has begun."""
    before = page.get_by_role("article", name="Agent").count()
    page.get_by_role("textbox", name="Your question").fill(words)
    page.keyboard.press("Enter")
    page.get_by_role("article", name="Agent").nth(before).wait_for()


def still(browser: Browser, outputs: Outputs, scheme: Literal["light", "dark"]) -> Path:
    """A screenshot of a conversation, the doctor's result, and the time in each layer."""
    page = signed_in(browser, outputs, scheme, STILL)
    ask(page, EARLIER)
    page.get_by_role("button", name="Send").wait_for()
    page.get_by_role("button", name="Ask the doctor").click()
    page.get_by_text("All is well.").wait_for(timeout=120_000)
    ask(page, QUESTION)
    page.get_by_role("button", name="Send").wait_for()
    page.get_by_role("row", name="Firewall").wait_for()
    page.mouse.move(0, 0)
    path = DOCS / f"page-{scheme}.png"
    page.screenshot(path=path)
    page.context.close()
    return path


def in_motion(browser: Browser, outputs: Outputs) -> Path:
    """An animation of an answer as it arrives, and of the inspector's time line."""
    page = signed_in(browser, outputs, "light", MOVING)
    page.mouse.move(0, 0)
    ask(page, QUESTION)
    parts = page.get_by_role("article", name="Agent").last, page.locator(".timeline")
    stop = page.get_by_role("button", name="Stop")
    frames = [Frame(page.screenshot(), 0, 0, TICK_MILLISECONDS)]
    while stop.is_visible():
        page.wait_for_timeout(TICK_MILLISECONDS)
        answer, line = (cut_out(page, part) for part in parts)
        frames += [answer, line._replace(milliseconds=TICK_MILLISECONDS)]
    frames += [Frame(page.screenshot(), 0, 0, REST_MILLISECONDS)]
    path = DOCS / "page-moving.png"
    path.write_bytes(moving(frames))
    page.context.close()
    return path


def cut_out(page: Page, part: Locator) -> Frame:
    """A screenshot of one element of the page, in whole pixels."""
    box = part.bounding_box()
    assert box is not None  # noqa: S101 - the element is visible
    x, y = int(box["x"]), int(box["y"])
    clip: FloatRect = {"x": x, "y": y, "width": int(box["width"]), "height": int(box["height"])}
    return Frame(page.screenshot(clip=clip), x, y, 0)


def main() -> int:
    """Make all pictures."""
    program = find_chromium()
    if program is None:
        print(MISSING, file=sys.stderr)
        return 2
    build()
    with served() as outputs, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for path in (still(browser, outputs, "light"), still(browser, outputs, "dark"), in_motion(browser, outputs)):
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

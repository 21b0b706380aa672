"""An answer outlives its connection: stopped where it is made, taken up after a cut, a reload, in another tab."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from client.outputs import Outputs
from local.doubles.scripted import Script
from tests.e2e.conftest import RunningChain, until
from tests.web.browser import CuttingProxy
from tests.web.conftest import Chat, fill_login_page, told

LONG = "A long one. [words=100 pause=0.1]"
SOME = "A while. [words=50 pause=0.1]"


def words_of(answer: str) -> list[str]:
    return answer.split()


def expected(question: str) -> list[str]:
    """What the scripted model says to a question."""
    return Script.of(question).answer()


def test_stop_ends_the_run_where_it_is_made(chat: Chat, chain: RunningChain) -> None:
    chat.ask(LONG)
    chat.wait_for_words(8)
    chat.stop.click()
    expect(chat.page.locator(".note")).to_have_text("Stopped.")
    thread = chat.page.url.partition("#")[2]
    until(lambda: any(line.get("threadId") == thread for line in told(chain)), "the agent tells of the run")
    (line,) = [line for line in told(chain) if line.get("threadId") == thread]
    assert line["outcome"] == "stopped"
    assert 8 <= len(words_of(chat.answer)) < 100


def test_after_a_stop_the_conversation_goes_on(chat: Chat) -> None:
    chat.ask(LONG)
    chat.wait_for_words(5)
    chat.stop.click()
    chat.wait_until_done()
    chat.ask("Next. [words=4]")
    expect(chat.answers).to_have_count(2)
    chat.wait_until_done()
    assert "Next." in chat.answer
    expect(chat.page.locator(".note")).to_have_text("This answer was not finished.")
    expect(chat.answers.first.locator(".note")).to_be_visible()


def test_a_cut_answer_is_taken_up_again_by_itself_whole_and_once(chat: Chat, proxy: CuttingProxy) -> None:
    before = proxy.requests.count("POST /invocations")
    chat.ask(SOME)
    chat.wait_for_words(10)
    assert proxy.cut("/invocations") == 1
    chat.wait_until_done()
    assert words_of(chat.answer) == expected(SOME)
    expect(chat.problem).not_to_be_visible()
    assert proxy.requests.count("POST /invocations") - before == 2


def test_a_network_that_is_away_for_a_while_loses_nothing_and_is_one_quiet_line(
    chat: Chat, proxy: CuttingProxy
) -> None:
    chat.ask(SOME)
    chat.wait_for_words(10)
    proxy.cut("/invocations", away=True)
    expect(chat.page.get_by_text("The connection was cut.")).to_be_visible()
    proxy.back()
    expect(chat.page.get_by_text("The answer goes on.")).to_be_visible()
    chat.wait_until_done()
    assert words_of(chat.answer) == expected(SOME)
    expect(chat.page.get_by_text("The answer goes on.")).not_to_be_visible()


def test_a_reload_in_mid_answer_loses_nothing(chat: Chat, outputs: Outputs) -> None:
    chat.ask("First. [words=4]")
    chat.wait_until_done()
    chat.ask(LONG)
    chat.wait_for_words(10)
    before = chat.page.url
    chat.page.reload()
    fill_login_page(chat.page, outputs)
    expect(chat.stop).to_be_visible()
    assert chat.page.url == before
    expect(chat.questions).to_have_count(2)
    chat.wait_until_done()
    expect(chat.answers).to_have_count(2)
    assert words_of(chat.answer) == expected(LONG)


def test_a_reload_shows_a_conversation_that_is_over(chat: Chat, outputs: Outputs) -> None:
    chat.ask("Now? [words=6 tool=current_time timezone=Asia/Tokyo]")
    chat.wait_until_done()
    said = chat.answer
    chat.page.reload()
    fill_login_page(chat.page, outputs)
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)
    assert chat.answer == said
    expect(chat.page.get_by_text("Tool current_time")).to_be_visible()
    chat.ask("And then? [words=4]")
    expect(chat.answers).to_have_count(2)


def test_two_tabs_read_the_same_answer(chat: Chat, outputs: Outputs) -> None:
    chat.ask(LONG)
    chat.wait_for_words(5)
    other = Chat(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    fill_login_page(other.page, outputs)
    expect(other.stop).to_be_visible()
    other.wait_for_words(5)
    for one in (chat, other):
        one.wait_until_done()
        assert words_of(one.answer) == expected(LONG)


def test_an_answer_that_was_stopped_is_told_to_be_so_after_a_reload(chat: Chat, outputs: Outputs) -> None:
    chat.ask(LONG)
    chat.wait_for_words(5)
    chat.stop.click()
    expect(chat.page.locator(".note")).to_have_text("Stopped.")
    chat.page.reload()
    fill_login_page(chat.page, outputs)
    expect(chat.answers).to_have_count(1)
    expect(chat.page.locator(".note")).to_have_text("Stopped.")
    expect(chat.problem).not_to_be_visible()


def test_two_tabs_hold_two_conversations_at_once(chat: Chat, outputs: Outputs) -> None:
    other = Chat(chat.page.context.new_page())
    other.page.goto(outputs.website_url)
    fill_login_page(other.page, outputs)
    expect(other.question).to_be_visible()
    chat.ask("Left. [words=30 pause=0.05]")
    other.ask("Right. [words=30 pause=0.05]")
    for one, words in ((chat, "Left."), (other, "Right.")):
        one.wait_until_done()
        assert words in one.answer
        expect(one.questions).to_have_count(1)


def test_another_conversation_is_opened_while_an_answer_goes_on_and_nothing_is_lost(
    chat: Chat,
) -> None:
    page: Page = chat.page
    chat.ask(SOME)
    chat.wait_for_words(5)
    page.get_by_role("button", name="New conversation").click()
    expect(chat.questions).to_have_count(0)
    page.get_by_role("link", name="A while.").click()
    chat.wait_for_words(10)
    chat.wait_until_done()
    assert words_of(chat.answer) == expected(SOME)

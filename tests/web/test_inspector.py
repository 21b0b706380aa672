"""The inspector: it shows why an answer streams, breaks the chain on purpose, and names the layer at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from client.outputs import Outputs
from tests import loopback
from tests.e2e.conftest import RunningChain
from tests.web.conftest import Chat, SignIn
from tests.web.test_access import axe, violations

__all__ = ["axe"]

ORIGIN = "origin"

EXAMINED = 90_000
"""Milliseconds: a check of the doctor's waits for a heartbeat, which comes after ten seconds of silence."""


@pytest.fixture
def control(chain: RunningChain, outputs: Outputs) -> Iterator[httpx.Client]:
    """The switches as the page's scripts reach them; the chain is sound again afterwards."""
    url = json.loads((chain.folder / "page-config.json").read_text())["controlUrl"]
    headers = {ORIGIN: outputs.website_url.rstrip("/")}
    with loopback.Client(base_url=url, headers=headers, timeout=60) as client:
        yield client
        if client.get("/state").json()["fault"]:
            assert client.post("/fault", json={"name": ""}).status_code == 200


@pytest.fixture
def inspecting(chat: Chat, control: httpx.Client) -> Chat:
    """The page with the inspector open."""
    del control
    chat.page.get_by_role("button", name="Inspector").click()
    expect(chat.page.get_by_role("complementary", name="Inspector")).to_be_visible()
    return chat


def fact(chat: Chat, name: str) -> str:
    """What the inspector says of the last request."""
    return chat.page.locator(".facts div").filter(has_text=name).locator("dd").inner_text()


def test_its_bundle_loads_when_it_is_opened(chat: Chat) -> None:
    loaded: list[str] = []
    chat.page.on("request", lambda request: loaded.append(request.url))
    assert not chat.page.evaluate("performance.getEntriesByType('resource').some(one => one.name.includes('panel'))")
    chat.page.get_by_role("button", name="Inspector").click()
    expect(chat.page.get_by_role("complementary", name="Inspector")).to_be_visible()
    assert any("/assets/panel-" in url for url in loaded)


def test_every_event_is_on_the_time_line_and_the_time_is_accounted_for(inspecting: Chat) -> None:
    page = inspecting.page
    inspecting.ask("Slowly. [words=12 pause=0.05]")
    inspecting.wait_until_done()
    page.get_by_text(re.compile(r"^Events \(\d+\)$")).click()
    # The answer is done before the inspector has drawn its last event.
    expect(page.get_by_role("region", name="Events").get_by_role("cell", name="RUN_FINISHED")).to_be_visible()
    expect(page.locator(".timeline line")).to_have_count(int(fact(inspecting, "Events")))
    assert int(fact(inspecting, "Arrivals")) >= 5
    for name in ("Firewall", "Authorizer", "Runtime", "Agent, to the first word"):
        expect(page.get_by_role("row", name=name)).to_contain_text("ms")


def test_one_switch_shows_what_streaming_is_worth(inspecting: Chat) -> None:
    page = inspecting.page
    page.get_by_role("radio", name="BUFFERED").click()
    expect(page.get_by_role("radio", name="BUFFERED")).to_be_enabled()
    inspecting.ask("In one lump. [words=12 pause=0.05]")
    inspecting.wait_until_done()
    assert fact(inspecting, "First word") == fact(inspecting, "Last word")
    page.get_by_role("radio", name="STREAM").click()
    expect(page.get_by_role("radio", name="STREAM")).to_be_enabled()
    inspecting.ask("Word by word. [words=12 pause=0.05]")
    inspecting.wait_until_done()
    assert fact(inspecting, "First word") != fact(inspecting, "Last word")


def test_the_doctor_s_result_lights_the_layer_at_fault(inspecting: Chat) -> None:
    page = inspecting.page
    page.get_by_label("Break the local chain").select_option("no-authorizer")
    expect(page.get_by_label("Break the local chain")).to_be_enabled()
    page.get_by_role("button", name="Ask the doctor").click()
    expect(page.get_by_text("At fault: Authorizer")).to_be_visible()
    expect(page.locator("[data-layer=authorizer]")).to_have_attribute("data-health", "fault")
    expect(page.locator("[data-layer=signin]")).to_have_attribute("data-health", "well")
    expect(page.locator(".finding")).to_contain_text("authorizer")


def test_each_result_is_shown_when_it_is_there_and_another_tab_is_told_to_wait(
    inspecting: Chat, control: httpx.Client
) -> None:
    page = inspecting.page
    page.get_by_role("button", name="Ask the doctor").click()
    expect(page.locator("[data-layer=signin]")).to_have_attribute("data-health", "well")
    expect(page.get_by_text("The doctor is looking")).to_be_visible()  # and has not finished
    busy = control.post("/doctor", json={})
    assert (busy.status_code, busy.json()["message"][:19]) == (409, "The doctor is busy ")
    expect(page.get_by_text("All is well.")).to_be_visible(timeout=EXAMINED)
    expect(page.locator("[data-health=well]")).to_have_count(page.locator("[data-layer]").count())


def test_somebody_else_s_answer_is_no_finding(inspecting: Chat, sign_in: SignIn) -> None:
    page = inspecting.page
    other = Chat(page.context.new_page())
    sign_in(other.page)
    other.ask("A long one. [words=600 pause=0.1]")
    other.wait_for_words(3)
    page.bring_to_front()
    page.get_by_role("button", name="Ask the doctor").click()
    expect(page.get_by_text("Nothing broken was found, but not everything could be checked.")).to_be_visible(
        timeout=EXAMINED
    )
    expect(page.locator("[data-health=fault]")).to_have_count(0)
    other.stop.click()


def test_axe_finds_nothing_in_it(inspecting: Chat, axe: str) -> None:
    inspecting.ask("Hello. [words=6 pause=0.01]")
    inspecting.wait_until_done()
    assert violations(inspecting.page, axe) == []


@pytest.mark.parametrize(
    "headers",
    [
        {ORIGIN: "https://attacker.example"},
        {ORIGIN: "null"},
        {ORIGIN: ""},
        {"host": "attacker.example:80"},
    ],
)
@pytest.mark.parametrize("path", ["/state", "/fault"])
def test_nobody_but_the_page_reaches_the_switches(control: httpx.Client, headers: dict[str, str], path: str) -> None:
    ask = control.build_request("POST" if path == "/fault" else "GET", path, headers=headers, json={"name": "buffered"})
    assert control.send(ask).status_code == 403
    assert control.get("/state").json()["fault"] == ""


def test_a_fault_that_there_is_not_is_named(control: httpx.Client) -> None:
    answer = control.post("/fault", json={"name": "made-up"})
    assert (answer.status_code, answer.json()["message"]) == (404, "There is no fault 'made-up'.")

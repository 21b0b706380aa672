"""The JavaScript of docs/front-end.md, as it stands there, before the chain."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from client.signin import Tokens
from local import ROOT
from tests.docs.pages import blocks
from tests.e2e.conftest import RunningChain
from tests.node_programs import needs_node

pytestmark = needs_node

FRAME = """
const {{ outputs, token, prompt }} = JSON.parse(process.env.GIVEN);
const user = {{ id_token: token }};
const threadId = crypto.randomUUID();
const tell = (event) => console.log(JSON.stringify(event));
{read}
async function ask() {{
  {ask}
  return {{ response, headers }};
}}
async function stop(headers) {{
  {stop}
}}
async function attach(headers, runId, after) {{
  {attach}
  return fetch(outputs.invokeUrl, {{ method: "POST", headers, body }});
}}
"""


@pytest.fixture(scope="module")
def frame() -> str:
    """The page's blocks as functions; the question is the test's."""
    page = (ROOT / "docs" / "front-end.md").read_text(encoding="utf-8")
    sign_in, ask, read, stop, attach = [block.text for block in blocks(page) if block.language == "js"]
    assert "signinRedirect" in sign_in
    assert '"Why?"' in ask
    return FRAME.format(ask=ask.replace('"Why?"', "prompt"), read=read, stop=stop, attach=attach)


class Page:
    """Runs a script after the page's functions."""

    def __init__(self, frame: str, folder: Path, **given: Any) -> None:
        self._frame, self._path, self._given = frame, folder / "page.mjs", given

    def run(self, script: str, **more: Any) -> list[dict[str, Any]]:
        self._path.write_text(self._frame + script, encoding="utf-8")
        environment = {**os.environ, "GIVEN": json.dumps({**self._given, **more})}
        argv = ["node", str(self._path)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def page(frame: str, chain: RunningChain, tokens: Tokens, tmp_path: Path) -> Page:
    outputs = {"invokeUrl": chain.outputs.invoke_url}
    return Page(frame, tmp_path, outputs=outputs, token=tokens.id, prompt="Why? [words=12 pause=0.02]")


def test_it_asks_and_reads_the_answer_to_its_end(page: Page) -> None:
    heard = page.run("for await (const event of events((await ask()).response)) tell(event);")
    assert heard[0]["type"] == "RUN_STARTED"
    assert heard[-1]["type"] == "RUN_FINISHED"
    assert len([each for each in heard if each["type"] == "TEXT_MESSAGE_CONTENT"]) == 12


def test_it_attaches_after_the_last_event_that_it_has(page: Page) -> None:
    heard = page.run(
        """
        const { response, headers } = await ask();
        let last, words = 0;
        for await (const event of events(response)) {
          tell(event);
          last = event.id;
          if (event.type === "TEXT_MESSAGE_CONTENT" && ++words === 3) break;
        }
        const [runId, after] = last.split(":");
        for await (const event of events(await attach(headers, runId, Number(after)))) tell(event);
        """
    )
    numbers = [int(each["id"].partition(":")[2]) for each in heard]
    assert numbers == list(range(1, len(heard) + 1))
    assert heard[-1]["type"] == "RUN_FINISHED"


def test_it_stops_a_run(page: Page) -> None:
    heard = page.run(
        """
        const { response, headers } = await ask();
        let words = 0;
        for await (const event of events(response)) {
          tell(event);
          if (event.type === "TEXT_MESSAGE_CONTENT" && ++words === 3) await stop(headers);
        }
        """,
        prompt="Why? [words=5000 pause=0.05]",
    )
    assert heard[-1]["type"] == "RUN_ERROR"
    assert heard[-1]["code"] == "STOPPED"


def test_a_refusal_names_its_status(page: Page) -> None:
    (heard,) = page.run("await ask().catch((error) => tell({ said: error.message }));", token="no.such.token")
    assert heard["said"].startswith("401 ")


def test_events_are_whole_whatever_pieces_they_come_in(page: Page) -> None:
    sent = 'id: r:1\ndata: {"type": "A", "delta": "é\\n\\n"}\n\n: keep-alive\nid: r:2\ndata: {"type": "B"}\n\n'
    heard = page.run(
        """
        const bytes = new TextEncoder().encode(prompt);
        const pieces = new ReadableStream({
          start(controller) {
            for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
            controller.close();
          },
        });
        for await (const event of events(new Response(pieces))) tell(event);
        """,
        prompt=sent,
    )
    assert heard == [{"id": "r:1", "type": "A", "delta": "é\n\n"}, {"id": "r:2", "type": "B"}]

"""The doctor names each fault and no other, and finds nothing where nothing is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from client.account import Account, demo_user
from client.commands.doctor import diagnose
from client.conversation import Conversation
from client.doctor.check import Result
from client.doctor.checks import CHECKS, runs
from client.outputs import read_outputs
from client.signin import Tokens
from client.store import TokenStore
from local import ROOT
from local.program.graph import Graph
from local.run.demo import buffered
from local.run.misconfigurations import MISCONFIGURATIONS, Misconfiguration
from tests.client.conftest import Run
from tests.client.variants import WELL, Base, Variant

AT_ONCE = 1
"""Variants examined at a time. Most of an examination is waiting; starting its parts is not."""


def examine(base: Base, fault: Misconfiguration, folder: Path) -> list[Result]:
    folder.mkdir()
    variant = Variant(base, fault, folder)
    try:
        return asyncio.run(diagnose(variant.outputs, CHECKS))
    finally:
        variant.end()


def needed_by(items: Sequence[pytest.Item]) -> list[Misconfiguration]:
    """The faults whose variants the selected tests look at, in the order in which they do."""
    names: dict[str, None] = {}
    for item in items:
        marker, callspec = item.get_closest_marker("variants"), getattr(item, "callspec", None)
        given: str = callspec.params.get("name", "") if callspec else ""
        names |= dict.fromkeys(marker.args if marker else [given] if given in MISCONFIGURATIONS else [])
    return [MISCONFIGURATIONS.get(name, WELL) for name in names]


@pytest.fixture(scope="module")
def examined(
    request: pytest.FixtureRequest, base: Base, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], list[Result]]]:
    """What the doctor says of each variant that is asked about; all are examined from the first question on."""
    folder = tmp_path_factory.mktemp("variants")
    here = [item for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[str, Future[list[Result]]] = {
            fault.name: pool.submit(examine, base, fault, folder / fault.name) for fault in needed_by(here)
        }
        yield lambda name: futures[name].result()
        for future in futures.values():
            future.cancel()


UNTOLD = {"other-region": {"authorizer"}}
"""What cannot be told of a variant: where nothing answers, nobody says whether the runtime takes the token."""


def longer(graph: Graph) -> Graph:
    for integration in graph.all("aws:apigateway/integration:Integration"):
        graph = graph.with_inputs(integration.urn, timeoutMilliseconds=300_000)  # the most that BUFFERED may have
    return graph


def findings(results: list[Result]) -> list[str]:
    return [result.name for result in results if result.status == "fail"]


@pytest.mark.variants("none")
def test_nothing_is_found_where_nothing_is_wrong(examined: Callable[[str], list[Result]]) -> None:
    results = examined("none")
    assert [(result.name, result.status, result.seen) for result in results if result.status != "pass"] == []


@pytest.mark.parametrize("name", MISCONFIGURATIONS)
def test_a_fault_is_named_and_no_other(name: str, examined: Callable[[str], list[Result]]) -> None:
    results = examined(name)
    assert findings(results) == [MISCONFIGURATIONS[name].check], [(result.name, result.seen) for result in results]
    assert {result.name for result in results if result.status == "inconclusive"} == UNTOLD.get(name, set())
    finding = next(result for result in results if result.status == "fail")
    assert finding.why
    assert finding.change
    assert finding.page.startswith("https://")


def test_with_time_enough_heartbeats_carry_a_run_past_the_idle_limit(base: Base, tmp_path: Path) -> None:
    only = [check for check in CHECKS if check.name == "heartbeat"]
    said = {}
    seen: list[str] = []
    for fault in (WELL, MISCONFIGURATIONS["no-heartbeat"]):
        (tmp_path / fault.name).mkdir()
        variant = Variant(base, fault, tmp_path / fault.name)
        try:
            (result,) = asyncio.run(diagnose(variant.outputs, only, slow=True))
        finally:
            variant.end()
        said[fault.name] = (result.status, "past a limit of 5 s" in result.seen or "cut" in result.seen)
    assert said == {"none": ("pass", True), "no-heartbeat": ("fail", True)}, seen


def test_another_run_of_the_same_user_is_no_finding_of_the_ping(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another tab asks: the agent is busy before the doctor's own question, and after it."""
    monkeypatch.setattr(runs, "IDLE_SECONDS", 2.0)
    variant = Variant(base, WELL, tmp_path)
    only = [check for check in CHECKS if check.name == "ping"]

    async def scene() -> tuple[Result, Result]:
        account = Account(variant.outputs, TokenStore(variant.outputs))
        async with Conversation(variant.outputs, account) as tab:
            asked = tab.ask("Go on and on. [words=3000 pause=0.05]")
            await anext(asked)
            (meanwhile,) = await diagnose(variant.outputs, only)
            await tab.stop()
            await asked.aclose()
        (afterwards,) = await diagnose(variant.outputs, only)
        return meanwhile, afterwards

    try:
        TokenStore(variant.outputs).save(demo_user(variant.outputs))
        meanwhile, afterwards = asyncio.run(scene())
    finally:
        variant.end()
    assert (meanwhile.status, "Another run of this user may be under way" in meanwhile.seen) == ("inconclusive", True)
    assert afterwards.status == "pass", afterwards.seen


@pytest.mark.parametrize("name", ["buffered", "no-keys"])
def test_only_the_variants_that_the_selected_tests_look_at_are_started(
    name: str, request: pytest.FixtureRequest
) -> None:
    assert [fault.name for fault in needed_by([request.node])] == [name]


def test_every_check_has_a_fault() -> None:
    assert {fault.check for fault in MISCONFIGURATIONS.values()} == {check.name for check in CHECKS}


@pytest.mark.variants("stale-deployment", "buffered")
def test_a_stale_stage_is_told_from_a_wrong_setting(examined: Callable[[str], list[Result]]) -> None:
    stale = next(result for result in examined("stale-deployment") if result.name == "deployment")
    wrong = next(result for result in examined("buffered") if result.name == "deployment")
    assert "not deployed" in stale.seen
    assert "not deployed" not in wrong.seen
    assert "BUFFERED" in wrong.seen


@pytest.mark.variants("blocking-agent")
def test_the_layer_that_holds_the_words_back_is_named(
    base: Base, tmp_path: Path, examined: Callable[[str], list[Result]]
) -> None:
    agent = next(result for result in examined("blocking-agent") if result.name == "streaming")
    assert "the agent buffers" in agent.seen
    # As `buffered`, but with the stream's timeout: at the chain's time scale 29 s are less than the answer takes.
    held = Misconfiguration("held", "", "streaming", gateway=lambda graph: longer(buffered(graph)))
    variant = Variant(base, held, tmp_path)
    try:
        only = [check for check in CHECKS if check.name == "streaming"]
        (api,) = asyncio.run(diagnose(variant.outputs, only))
    finally:
        variant.end()
    assert api.status == "fail"
    assert "buffered" in api.seen
    assert "the API buffers" in api.seen


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"issuer": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"}, "outputs"),
        ({"runtimeUrl": "http://127.0.0.1:1/runtimes/x/invoke"}, "outputs"),
        ({"apiUrl": "http://127.0.0.1:1/dev", "invokeUrl": "http://127.0.0.1:1/dev/invocations"}, "outputs"),
        ({"discoveryUrl": "http://127.0.0.1:1/none"}, "outputs"),
    ],
)
def test_outputs_that_cannot_be_are_a_finding(
    changes: dict[str, str], check: str, base: Base, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**json.loads((base.folder / "outputs.json").read_text()), **changes}))
    done = run("doctor", "--json", "--only", "outputs", "--only", "sign-in", file=path)
    report = json.loads(done.stdout)
    assert done.returncode == report["exitCode"] == 1
    assert [one["name"] for one in report["checks"] if one["status"] == "fail"] == [check]


def test_a_finding_says_what_why_where_and_what_to_read(base: Base, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**json.loads((base.folder / "outputs.json").read_text()), "stageName": ""}))
    done = run("doctor", file=path)
    assert done.returncode == 1
    for wanted in ("fail    outputs", "stageName", "why it matters", "what to change", "https://", "#outputs"):
        assert wanted in done.stdout
    behind = done.stdout.split("skipped, because an earlier layer is broken:")[1].split("\n\n")[0]
    assert {name.strip() for name in behind.split(",")} == {check.name for check in CHECKS} - {"outputs"}


def test_every_check_and_every_fault_is_in_the_troubleshooting_page() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert [check.name for check in CHECKS if f"\n## {check.name}\n" not in page] == []
    rows = [f"| `{fault.name}` |" for fault in MISCONFIGURATIONS.values()]
    assert [row for row in rows if row not in page] == []


def test_a_wrong_password_cannot_be_checked_past(base: Base, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**json.loads((base.folder / "outputs.json").read_text()), "demoPassword": "Wrong1!!"}))
    done = run("doctor", "--only", "sign-in", file=path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Incorrect username or password" in done.stdout


def test_without_credentials_it_is_judged_from_outside_and_the_rest_is_open(
    base: Base, tokens: Tokens, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = json.loads((base.folder / "outputs.json").read_text())
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({key: value for key, value in given.items() if key != "endpointUrl"}))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    TokenStore(read_outputs(path)).save(tokens)

    done = run("doctor", "--json", "--only", "deployment", "--only", "streaming", "--only", "logs", file=path)
    statuses = {one["name"]: one["status"] for one in json.loads(done.stdout)["checks"]}
    assert done.returncode == 2
    assert statuses == {"deployment": "inconclusive", "streaming": "pass", "logs": "inconclusive"}
    # Nothing here evaluates AWS's rule groups, so the attack passes, and the doctor, seeing no local run, says so.
    done = run("doctor", "--only", "firewall", file=path)
    assert done.returncode == 1
    assert "not the web ACL's 403" in done.stdout


def test_a_check_that_does_not_exist_is_named(run: Run) -> None:
    done = run("doctor", "--only", "hartbeat")
    assert done.returncode == 2
    assert "heartbeat" in done.stderr

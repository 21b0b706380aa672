"""Each check names what it looks at when that is broken, and says "could not be checked" of everything else."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client.doctor import check as check_module
from client.doctor.check import Result
from client.doctor.checks import CHECKS, front_door, limits, logs, reach, runs
from client.doctor.deployment import Throttle
from client.doctor.local_deployment import LocalDeployment
from client.doctor.responder import responder_of
from client.errors import SignInError, UserPoolError
from client.exchange import record
from client.recording import Recording
from client.signin import Tokens
from contract import ORIGIN_HEADER
from local import ROOT
from local.planes.gateway.throttle import Bucket
from tests.client import scripted_server as scripted
from tests.client.doctor_world import (
    CHALLENGE,
    HANG,
    PAGE,
    PARAMETERS,
    RUNTIME,
    DisposableUsers,
    Request,
    World,
    by_runtime,
    by_web_acl,
    claims_of,
    refusal,
    reply,
    said,
    token,
)
from tests.client.scripted_server import STREAM, answering, word


def large_body(answer: bytes) -> Callable[[World], None]:
    return lambda world: post(world, answer, lambda request: len(request.body) > 65_536)


NAMED = {check.name: check for check in CHECKS}
LONG_ANSWERS = ("streaming", "heartbeat", "attach", "hang-up", "ping")
# Some need an answer that takes its time, which the chain's own tests have.
QUICK = [check for check in CHECKS if check.name not in LONG_ANSWERS]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what never comes, and users need no user pool."""
    monkeypatch.setattr(front_door, "DisposableUsers", DisposableUsers)
    monkeypatch.setattr(check_module, "BEGIN_SECONDS", 1.0)
    monkeypatch.setattr(reach, "PATIENCE", 1.0)
    monkeypatch.setattr(limits, "RECOVERY_SECONDS", 0.2)
    monkeypatch.setattr(logs, "LOCAL_PATIENCE", 0.0)


def look(name: str, world: World) -> Result:
    return world.results(NAMED[name])[name]


def test_a_stack_that_is_well_has_no_finding() -> None:
    results = World().results(*QUICK)
    assert {name: (one.status, one.seen) for name, one in results.items() if one.status != "pass"} == {}


def post(world: World, answer: bytes, where: Callable[[Request], bool] = lambda _request: True) -> None:
    """Answer every POST to the API so, or those of them that are chosen."""
    world.answer = lambda request: answer if request.of_api and request.method == "POST" and where(request) else None


def direct(world: World, answer: bytes, where: Callable[[Request], bool]) -> None:
    world.answer = lambda request: answer if request.path.startswith("/runtimes/") and where(request) else None


def sibling(name: str, answer: bytes) -> Callable[[World], None]:
    """The runtime's answer at one of its other addresses."""

    def change(world: World) -> None:
        path = f"/runtimes/{RUNTIME}/{name}"
        world.answer = lambda request: answer if request.path == path and request.token else None

    return change


def api_answers(request_answer: bytes, method: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.answer = lambda request: request_answer if request.method == method else None

    return change


def changed(**attributes: Any) -> Callable[[World], None]:
    return lambda world: vars(world).update(attributes)


def deployed(**attributes: Any) -> Callable[[World], None]:
    return lambda world: vars(world.deployment).update(attributes)


def outputs(**changes: Any) -> Callable[[World], None]:
    return lambda world: world.changes.update(changes)


def together(*parts: Callable[[World], None]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for part in parts:
            part(world)

    return change


def with_token(answer: bytes, sent: str | None) -> Callable[[World], None]:
    return lambda world: post(world, answer, lambda request: request.token == sent)


def with_claim(answer: bytes, name: str, value: str) -> Callable[[World], None]:
    return lambda world: post(world, answer, lambda request: claims_of(request).get(name) == value)


def directly(answer: bytes, where: Callable[[Request], bool]) -> Callable[[World], None]:
    return lambda world: direct(world, answer, where)


ACCOUNT_MAPPING = "integration.request.querystring.accountId"
LOST = {name: value for name, value in PARAMETERS.items() if ORIGIN_HEADER not in name}
MOVED = "https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/agent-1/invocations"

BROKEN: list[tuple[str, Callable[[World], None], str]] = [
    # check, what is broken, what is said of it
    ("outputs", api_answers(reply(302, location="https://sign-in.example/"), "GET"), "redirects to https://sign-in"),
    ("outputs", api_answers(reply(404), "GET"), "no x-amzn-requestid"),
    ("outputs", api_answers(reply(200, x_amzn_requestid="r-1"), "GET"), "the API has no such method"),
    ("outputs", api_answers(HANG, "GET"), "accepts the connection, and then"),
    ("outputs", outputs(stackName=None, bypassProtection=None), "stackName, bypassProtection"),
    ("outputs", outputs(region="eu-west-1"), "eu-west-1"),
    ("outputs", outputs(runtimeId="agent-2"), "not that of the runtime agent-2"),
    ("outputs", outputs(runtimeArn="arn:aws:iam::1:role/x"), "runtimeArn"),
    ("outputs", outputs(qualifier="green"), "qualifier=green"),
    ("outputs", outputs(userPoolId="us-east-1_other"), "discoveryUrl"),
    ("outputs", outputs(webAclArn="arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/a/b"), "webAclArn"),
    ("outputs", outputs(stageName="prod"), "not that of the stage prod"),
    ("sign-in", changed(clock_offset=300.0), "clock"),
    ("sign-in", changed(tokens=Tokens(token(kid="k-2"), token("access"), "")), "k-2, which is not among"),
    ("sign-in", changed(tokens=Tokens(token(client="client-2"), token("access"), "")), "aud is client-2"),
    ("sign-in", changed(tokens=UserPoolError("Cognito cannot be reached.")), "cannot be reached"),
    ("authorizer", with_token(said(), "a.b.cccc"), "a made-up token"),
    ("authorizer", with_token(CHALLENGE, None), "only the runtime refuses"),
    ("authorizer", with_claim(CHALLENGE, "token_use", "access"), "only the runtime refuses"),
    ("authorizer", with_claim(CHALLENGE, "token_use", "id"), "the runtime refuses it (its 401"),
    ("authorizer", with_claim(HANG, "token_use", "id"), "does not start to answer"),
    ("deployment", deployed(parameters=LOST), f"adds no {ORIGIN_HEADER}"),
    ("deployment", deployed(undeployed={**PARAMETERS, "integration.request.header.X": "'y'"}), "header.X is not the"),
    ("deployment", deployed(uri=MOVED), "eu-west-1"),
    (
        "deployment",
        deployed(parameters={**PARAMETERS, "integration.request.querystring.qualifier": "'green'"}),
        "qualifier green instead of DEFAULT",
    ),
    (
        "deployment",
        deployed(parameters={**PARAMETERS, "integration.request.querystring.accountId": "'1'"}),
        "accountId",
    ),
    ("firewall", lambda world: post(world, said(), lambda request: "script" in request.query), "not the web ACL's 403"),
    (
        "firewall",
        lambda world: post(world, by_web_acl(403, "no"), lambda one: b"DROP" in one.body),
        "A long prompt that quotes code",
    ),
    ("firewall", large_body(refusal(400, "BAD_REQUEST_BODY", "BadRequestException")), "by the API and not by the web"),
    ("firewall", large_body(by_web_acl(413, "No.")), "without the reason"),
    ("throttle", together(changed(bucket=None), deployed(bucket=Throttle(1, 20))), "none was refused"),
    ("throttle", changed(bucket=Bucket(0, 5)), "still refuses"),
    ("throttle", deployed(bucket=None), "declares no throttle"),
    ("front-door", directly(said(), lambda one: one.token is None), "without any token"),
    ("front-door", directly(said(), lambda one: one.token is not None), "bypassProtection is origin-secret"),
    (
        "front-door",
        together(deployed(parameters=LOST), directly(said(), lambda one: one.token is not None)),
        "did not come through the API",
    ),
    (
        "front-door",
        directly(said(), lambda one: claims_of(one).get("aud") == "client-2"),
        "The runtime accepts the token of another app client",
    ),
    ("front-door", with_claim(CHALLENGE, "aud", "client-2"), "The API accepts the token of another app client"),
    ("front-door", with_claim(said(), "sub", "stranger"), "Another user can ask in a user's session"),
    ("runtime-policy", sibling("commands", reply(200)), "accepts the user's token for InvokeAgentRuntimeCommand."),
    ("runtime-policy", sibling("ws/shells", reply(101)), "for InvokeAgentRuntimeCommandShell."),
    ("runtime-policy", sibling("ws", by_runtime(424, "RuntimeClientError")), "WithWebSocketStream."),
    ("cors", changed(refusal_headers={}), "The refusal (401) has no"),
    ("cors", changed(preflight_headers="content-type"), "does not allow the headers authorization"),
    (
        "cors",
        api_answers(refusal(401, "UNAUTHORIZED", "UnauthorizedException"), "OPTIONS"),
        "The preflight, which has no token, is refused",
    ),
    ("logs", deployed(line=None), "has no line"),
    ("logs", deployed(line={"requestId": "r-1", "status": "200"}), "lacks responseTransferMode"),
    ("logs", deployed(alarm_count=0), "There are no alarms"),
]


@pytest.mark.parametrize(("name", "break_it", "words"), BROKEN, ids=[f"{one[0]}:{one[2]}" for one in BROKEN])
def test_what_is_broken_is_found(name: str, break_it: Callable[[World], None], words: str) -> None:
    world = World()
    break_it(world)
    result = look(name, world)
    assert result.status == "fail", result.seen
    assert words in result.seen
    assert result.why
    assert result.change


UNFORESEEN = {
    "rate rule": by_web_acl(429, "Too many requests; try again in 5 minutes."),
    "throttle": refusal(429, "THROTTLED", "TooManyRequestsException"),
    "quota": refusal(429, "QUOTA_EXCEEDED", "LimitExceededException"),
    "API key": refusal(403, "INVALID_API_KEY", "ForbiddenException"),
    "integration": refusal(504, "INTEGRATION_FAILURE", "InternalServerErrorException"),
    "runtime": by_runtime(429, "ThrottlingException"),
    "unidentified": reply(502, "<html>", content_type="text/html"),
    "captive": reply(302, location="https://sign-in.example/"),
    "nobody": b"\r\n",
}


@pytest.mark.parametrize("kind", UNFORESEEN)
def test_an_answer_that_a_check_does_not_look_for_is_no_finding(kind: str) -> None:
    world = World()
    world.deployment.bucket = Throttle(1000, 1)  # so that waiting for it takes no time
    # Not what answers without a body: `outputs` looks at who that is.
    post(world, UNFORESEEN[kind], lambda one: kind != "runtime" or may_pass(one))
    # The agent behind the API does not answer: that is what `streaming` finds, and nothing else does.
    checks = [check for check in CHECKS if check.name not in ("outputs", "streaming")]
    results = world.results(*checks)
    assert [(one.name, one.seen) for one in results.values() if one.status == "fail"] == []
    unknown = {name for name, one in results.items() if one.status == "inconclusive"}
    # That the runtime was asked at all answers what `authorizer` wants to know.
    assert unknown >= {"attach", "hang-up", "firewall", "front-door", "cors"} | (
        {"authorizer"} if kind != "runtime" else set()
    )


def may_pass(request: Request) -> bool:
    """Whether the runtime may see it: of anything else, its refusal tells that it was let through."""
    claims = claims_of(request)
    return claims.get("aud") == "client-1" and claims.get("token_use") == "id" and not request.query


def test_a_gateway_without_an_answer_from_behind_is_a_finding_of_the_stream() -> None:
    world = World()
    post(world, UNFORESEEN["integration"])
    result = look("streaming", world)
    assert result.status == "fail"
    assert "504" in result.seen


def test_a_missing_api_key_is_named_with_what_to_set() -> None:
    world = World()
    post(world, UNFORESEEN["API key"])
    assert "AGENT_STREAM_API_KEY" in look("authorizer", world).seen


def test_the_rate_rule_is_named_with_when_it_ends() -> None:
    world = World()
    post(world, UNFORESEEN["rate rule"])
    for name in ("firewall", "front-door", "throttle"):
        result = look(name, world)
        assert result.status == "inconclusive"
        assert "rateWindowSeconds" in result.seen


def test_the_stack_s_own_page_needs_no_preflight_and_a_page_elsewhere_does() -> None:
    world = World()
    world.changes["websiteUrl"] = "https://own.example/"
    world.deployment.origin = ""
    assert look("cors", world).status == "pass"
    assert "https://own.example/" in look("cors", world).seen
    world.deployment.origin = PAGE
    assert look("cors", world).status == "pass"
    world.refusal_headers = {}
    assert look("cors", world).status == "fail"


def test_a_throttle_that_lets_one_through_at_a_time_is_waited_for() -> None:
    world = World()
    world.deployment.bucket, world.bucket = Throttle(50, 1), Bucket(50, 1)
    results = world.results(*QUICK)
    assert {name: one.seen for name, one in results.items() if one.status != "pass"} == {}


def test_a_sign_in_that_failed_is_tried_once_and_what_needs_no_token_is_looked_at() -> None:
    world = World()
    world.tokens = UserPoolError("Cognito cannot be reached.")
    results = world.results(*QUICK, keep_going=False)
    assert world.signed_in == 1
    assert results["sign-in"].status == "fail"
    assert results["deployment"].status == "pass"
    assert {one.seen for one in results.values() if one.status == "inconclusive"} == {"needs a sign-in"}
    # What a request meets without a token is still told.
    world.refusal_headers = {}
    assert look("cors", world).status == "fail"


def test_a_user_who_may_not_sign_in_is_no_finding_about_the_stack() -> None:
    world = World()
    world.tokens = SignInError("Incorrect username or password.")
    assert look("sign-in", world).status == "inconclusive"


def test_a_mistake_of_the_doctors_own_is_no_finding() -> None:
    world = World()
    world.tokens = IndexError("list index out of range")
    result = look("sign-in", world)
    assert result.status == "inconclusive"
    assert "IndexError: list index out of range" in result.seen


@pytest.mark.parametrize(
    ("setting", "status", "words"),
    [("none", "pass", "as runtime.bypassProtection: none allows"), (None, "inconclusive", "bypassProtection")],
)
def test_an_open_back_door_is_judged_by_the_setting(setting: str | None, status: str, words: str) -> None:
    world = World()
    world.changes["bypassProtection"] = setting
    world.deployment.parameters = LOST
    direct(world, said(), lambda request: claims_of(request).get("aud") == "client-1")
    result = look("front-door", world)
    assert (result.status, words in result.seen) == (status, True), result.seen


@pytest.mark.parametrize(
    ("setting", "status", "words"),
    [([], "pass", "accepted, as runtime.deniedActions allows"), (None, "inconclusive", "deniedActions")],
)
def test_an_open_shell_is_judged_by_the_setting(setting: list[str] | None, status: str, words: str) -> None:
    world = World()
    world.changes["deniedActions"] = setting
    sibling("ws/shells", reply(101))(world)
    result = look("runtime-policy", world)
    assert (result.status, words in result.seen) == (status, True), result.seen


def test_an_address_that_neither_takes_nor_refuses_the_token_is_not_looked_at() -> None:
    world = World()
    sibling("commands", by_runtime(400, "ValidationException"))(world)
    result = look("runtime-policy", world)
    assert (result.status, result.not_checked) == ("pass", ("InvokeAgentRuntimeCommand: 400",))
    assert "InvokeAgentRuntimeCommand," not in result.seen


def test_alarms_that_nobody_asked_for_are_not_missed_and_unread_ones_are_not_looked_at() -> None:
    world = World()
    world.deployment.alarm_count = 0
    world.changes["alarms"] = False
    assert look("logs", world).not_checked == ("alarms: the stack declares none (observability.alarms)",)
    world.deployment.alarm_count = None
    assert look("logs", world).not_checked == ("the alarms: Nobody may read them.",)


def test_a_path_that_agentcore_does_not_know_is_not_taken_for_a_refused_token() -> None:
    world = World()
    post(world, by_runtime(401, "UnauthorizedException"), lambda one: claims_of(one).get("token_use") == "id")
    world.answer = lambda request: (
        reply(401, '{"message":"Missing Authentication Token"}', x_amzn_requestid="r-1")
        if request.of_api and claims_of(request).get("token_use") == "id"
        else None
    )
    result = look("authorizer", world)
    assert result.status == "pass"
    assert result.not_checked


@given(
    status=st.integers(0, 599),
    headers=st.dictionaries(
        st.sampled_from(["x-amzn-requestid", "x-amzn-errortype", "www-authenticate", "location"]),
        st.text(alphabet="abcXYZ:,- ", max_size=20),
    ),
    body=st.binary(max_size=60) | st.sampled_from([b"[]", b'{"type": null}', b'{"type": ["x"]}', b'"THROTTLED"']),
)
@example(status=502, headers={}, body=b'"THROTTLED"')
def test_every_answer_has_a_giver(status: int, headers: dict[str, str], body: bytes) -> None:
    recording = Recording("s", status=status, body=body)
    recording.headers.update(headers)
    responder = responder_of(recording)
    assert (responder == "agent") == (status == 200)
    assert (responder == "nobody") == (status == 0)
    # Without API Gateway's marks, nothing is said of a layer that would have left them.
    if not headers and status not in (0, 200, 401, 403, 409, 413, 424, 429):
        assert responder == "unidentified"


def numbered(*numbers: int) -> bytes:
    """Words of a run as they are sent."""
    return b"".join(b"id: r:%d\n" % number + word(f"{number} ") for number in numbers)


STOPPED = [reply(200, '{"stopped": true}', content_type="application/json")]
OVER = [STREAM, b"id: r:9\n" + scripted.event("RUN_FINISHED")]


def left(*answers: Sequence[scripted.Part]) -> Result:
    """What the doctor says where a run is left after its first three words and these answers follow."""
    with answering([STREAM, numbered(1, 2, 3), scripted.HANG], *answers) as server:
        world = World()
        world.changes = {"invokeUrl": server.url}
        return look("hang-up" if answers[0] is STOPPED else "attach", world)


def test_a_slow_answer_after_a_stop_is_no_run_that_goes_on() -> None:
    """What is asked is whether the next answer begins; how long a model takes for it is another matter."""
    result = left(STOPPED, OVER, [STREAM, word("ready"), scripted.HANG])
    assert result.status == "pass", result.seen


@pytest.mark.parametrize(
    ("following", "said"),
    [
        ([[STREAM, b": keep-alive\n", scripted.HANG]], "the run has not ended"),
        ([OVER, [STREAM, b": keep-alive\n", scripted.HANG]], "does not start"),
        ([OVER, [STREAM, scripted.event("RUN_ERROR", code="SESSION_BUSY", message="no")]], "does not start"),
    ],
)
def test_a_run_that_does_not_stop_is_found(
    following: list[Sequence[scripted.Part]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STOPPED_SECONDS", 0.2)
    result = left(STOPPED, *following)
    assert (result.status, said in result.seen) == ("fail", True), result.seen


@pytest.mark.parametrize(
    ("numbers", "status", "said"),
    [
        ((1, 2, 3, 4, 5, 6), "pass", "events 1 to 6 once each"),
        ((1, 2, 4, 5, 6, 7), "fail", "without event 3"),
        ((2, 3, 4, 5, 6, 7), "fail", "without event 1"),
        ((1, 2, 2, 3, 4, 5), "fail", "repeated"),
        ((1, 3, 2, 4, 5, 6), "fail", "out of order"),
    ],
)
def test_every_event_is_read_again_once_and_in_order(numbers: tuple[int, ...], status: str, said: str) -> None:
    result = left([STREAM, numbered(*numbers), scripted.HANG], STOPPED)
    assert (result.status, said in result.seen) == (status, True), result.seen


def test_a_run_that_is_forgotten_while_it_lasts_is_found() -> None:
    result = left([STREAM, scripted.event("RUN_ERROR", code="RUN_UNKNOWN", message="no")], STOPPED)
    assert (result.status, "RUN_UNKNOWN" in result.seen) == ("fail", True), result.seen


def test_an_agent_that_numbers_nothing_is_no_finding() -> None:
    with answering([STREAM, word("1 "), word("2 "), word("3 "), scripted.HANG]) as server:
        world = World()
        world.changes = {"invokeUrl": server.url}
        assert look("attach", world).status == "inconclusive"


def test_a_machine_that_is_too_slow_to_meet_the_throttle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bucket = None
    world.deployment.bucket = Throttle(40, 5)  # lets through forty a second, and the answers take two

    async def later(*arguments: Any, **options: Any) -> Recording:
        await asyncio.sleep(2)
        return await record(*arguments, **options)

    monkeypatch.setattr(limits, "record", later)
    result = look("throttle", world)
    assert (result.status, "from this machine" in result.seen) == ("inconclusive", True), result.seen


def test_every_finding_says_why_it_matters_in_words_of_its_own() -> None:
    whys: list[str] = []
    for path in (ROOT / "client" / "doctor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fail":
                whys += [ast.unparse(one.value) for one in node.keywords if one.arg == "why"]
    assert len(whys) > 40
    assert [why for why in {*whys} if whys.count(why) > 1] == []


ROUTES = """
    api   aws:apigateway/restApi:RestApi       {}
    a     aws:apigateway/resource:Resource     {"pathPart": "other", "parentId": "root"}
    b     aws:apigateway/resource:Resource     {"pathPart": "invocations", "parentId": "root"}
    m1    aws:apigateway/method:Method         {"resourceId": "a", "httpMethod": "POST", "authorization": "NONE"}
    m2    aws:apigateway/method:Method         {"resourceId": "b", "httpMethod": "POST", "authorization": "X"}
    i1    aws:apigateway/integration:Integration {"resourceId": "a", "httpMethod": "POST", "uri": "https://a"}
    i2    aws:apigateway/integration:Integration {"resourceId": "b", "httpMethod": "POST", "uri": "https://b"}
"""


@pytest.mark.parametrize(
    ("route", "uri", "guard"), [("/other", "https://a", "NONE"), ("/invocations", "https://b", "X")]
)
def test_of_several_routes_the_one_that_is_asked_is_examined(route: str, uri: str, guard: str, tmp_path: Path) -> None:
    rows = [line.split(None, 2) for line in ROUTES.strip().splitlines()]
    graph = {"resources": [{"id": id_, "type": type_, "inputs": json.loads(text)} for id_, type_, text in rows]}
    (tmp_path / "gateway-graph.json").write_text(json.dumps(graph))
    stage = LocalDeployment(tmp_path, "api", route).stage()
    assert (stage.uri, stage.authorization) == (uri, guard)


class TestTheSecondDoor:
    """An API with a host name of its own goes on answering at execute-api until it is told not to."""

    @staticmethod
    def world(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> World:
        world = World()
        monkeypatch.setattr(reach, "default_endpoint", lambda _outputs: f"{world.url}/api1/invocations")
        world.answer = lambda request: answer if request.path == "/api1/invocations" else None
        return world

    def test_one_that_answers_is_proposed_to_be_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        open_ = refusal(403, "MISSING_AUTHENTICATION_TOKEN", "MissingAuthenticationTokenException")
        result = look("outputs", self.world(open_, monkeypatch))
        assert (result.status, "onlyThisName: true" in result.proposal) == ("pass", True)

    @pytest.mark.parametrize(
        "answer", [refusal(403, "ACCESS_DENIED", "ForbiddenException"), reply(200, "a page"), HANG], ids=repr
    )
    def test_one_that_is_off_or_is_somebody_elses_is_not_spoken_of(
        self, answer: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = look("outputs", self.world(answer, monkeypatch))
        assert (result.status, result.proposal) == ("pass", "")

    @pytest.mark.parametrize(
        ("url", "found"),
        [
            ("https://agent.example.com", "https://api1.execute-api.us-east-1.amazonaws.com/dev/invocations"),
            ("https://api1.execute-api.us-east-1.amazonaws.com/dev", None),
        ],
    )
    def test_it_is_the_apis_own_address(self, url: str, found: str | None) -> None:
        world = World()
        world.changes = {"apiUrl": url, "invokeUrl": f"{url}/invocations", "endpointUrl": None}
        assert reach.default_endpoint(world._outputs("http://127.0.0.1:1")) == found

"""Bedrock as the model, against an endpoint on loopback: words, hang-ups, throttling, refusals."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.settings import Settings
from agent.strands import retry
from agent.strands.bedrock import BedrockModel
from tests import loopback
from tests.agent.fake_bedrock import Answer, Connection, FakeBedrock, fake_bedrock
from tests.agent.support import DEADLINE, Serve, Server, new_session, question, until

pytestmark = pytest.mark.anyio

PROMPT = 0.1  # seconds from the caller's hang-up to the end of the model's connection
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/secret-project"

Start = Callable[..., tuple[Server, FakeBedrock]]


@pytest.fixture
def start(serve: Serve, aws: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start an agent on a Bedrock that answers as told: `start(answer, heartbeat_seconds=0.1)`."""
    aws.setattr(retry, "BACKOFF", (0.3, 0.01))
    with ExitStack() as stack:

        def begin(answer: Answer, tls: ssl.SSLContext | None = None, **settings: Any) -> tuple[Server, FakeBedrock]:
            fake = stack.enter_context(fake_bedrock(answer, tls))
            aws.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake.url)
            return serve(model="bedrock:anthropic.test", region="eu-west-1", **settings), fake

        yield begin


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server certificate for 127.0.0.1 and the file that makes a client trust it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    import ipaddress  # noqa: PLC0415

    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


def speak(connection: Connection) -> None:
    connection.start()
    connection.say("Hello")
    connection.say(" there")
    connection.finish()


def silent_before_headers(connection: Connection) -> None:
    connection.spoke.set()
    connection.wait_until_closed()


def silent_in_mid_answer(connection: Connection) -> None:
    connection.start()
    connection.say("Hello")
    connection.wait_until_closed()


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_guardrail_that_reads_along_ends_an_answer_whose_words_are_out(start: Start, mode: str) -> None:
    def blocked(connection: Connection) -> None:
        connection.start()
        connection.say("The password is")
        connection.end_block()
        connection.stop("guardrail_intervened")

    guardrail = {"guardrail_id": "g1", "guardrail_version": "3", "guardrail_stream": mode}
    server, fake = start(blocked, **guardrail)
    session = new_session()
    reply = await server.ask("Tell me.", session=session)
    assert reply.events[-1]["result"] == {"stopReason": "guardrail_intervened"}
    assert fake.requests[0]["body"]["guardrailConfig"]["streamProcessingMode"] == mode
    await server.ask("And now?", session=session)
    asked = fake.requests[1]["body"]["messages"]
    assert [block.get("text") for message in asked for block in message["content"]] == ["And now?"]


async def test_a_citation_is_told_beside_the_words_it_belongs_to(start: Start) -> None:
    cited = {
        "title": "Handbook",
        "location": {"documentChar": {"documentIndex": 0, "start": 3, "end": 9}},
        "sourceContent": [{"text": "thirty days"}],
    }

    def cite(connection: Connection) -> None:
        connection.start()
        connection.say("Thirty days.")
        connection.event("contentBlockDelta", {"delta": {"citation": cited}, "contentBlockIndex": 0})
        connection.finish()

    server, _ = start(cite)
    reply = await server.ask("How long?")
    assert (reply.text, reply.code) == ("Thirty days.", None)
    (told,) = [event for event in reply.events if event["type"] == "CUSTOM"]
    said = next(event["messageId"] for event in reply.events if event["type"] == "TEXT_MESSAGE_START")
    assert (told["name"], told["value"]) == ("citation", {"messageId": said, "citation": cited})


async def test_words_and_tokens_come_from_bedrock(start: Start) -> None:
    server, fake = start(speak, max_tokens=77, guardrail_id="g1", guardrail_version="3")
    reply = await server.ask("Hi")
    assert reply.text == "Hello there"
    assert reply.events[-1]["usage"] == [
        {
            "provider": "bedrock",
            "model": "anthropic.test",
            "inputTokens": 5,
            "outputTokens": 5,
            "totalTokens": 10,
            "cachedInputTokens": 2,
        }
    ]
    (request,) = fake.requests
    assert request["path"] == "/model/anthropic.test/converse-stream"
    assert request["body"]["inferenceConfig"]["maxTokens"] == 77
    assert request["body"]["guardrailConfig"]["guardrailIdentifier"] == "g1"
    assert request["body"]["guardrailConfig"]["guardrailVersion"] == "3"


async def hang_up(server: Server, fake: FakeBedrock, after: str) -> float:
    """Ask, hang up after a line that holds `after`, and return the seconds until Bedrock saw its end."""
    async with server.open("Hi") as response:
        lines = response.aiter_lines()
        await until(lines, after)
        connection = fake.connection()
        assert connection.spoke.wait(DEADLINE)
        left = time.monotonic()
    assert connection.closed.wait(DEADLINE), "the connection to the model stayed open"
    assert server.log()["outcome"] == "abandoned"
    return connection.closed_at - left


@pytest.mark.parametrize(
    ("answer", "after"), [(silent_before_headers, "RUN_STARTED"), (silent_in_mid_answer, "CONTENT")]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_hang_up_closes_the_connection_of_a_silent_model(
    start: Start,
    tls: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    answer: Answer,
    after: str,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls[1]))
    server, fake = start(answer, tls[0] if scheme == "https" else None)
    assert await hang_up(server, fake, after) < PROMPT


async def test_a_hang_up_closes_the_connection_of_a_talking_model(start: Start) -> None:
    def talk(connection: Connection) -> None:
        connection.start()
        try:
            while True:
                connection.say("word ")
                time.sleep(0.01)
        except OSError:
            connection.wait_until_closed()

    server, fake = start(talk)
    assert await hang_up(server, fake, "CONTENT") < PROMPT + 0.02


@pytest.mark.parametrize("answer", [silent_before_headers, silent_in_mid_answer], ids=lambda answer: answer.__name__)
async def test_stop_closes_the_connection_of_a_silent_model_that_nobody_reads(start: Start, answer: Answer) -> None:
    server, fake = start(answer, detached_seconds=300)
    session, body = new_session(), question()
    async with server.open(body, session=session) as response:
        await until(response.aiter_lines(), "RUN_STARTED")
        assert fake.connection().spoke.wait(DEADLINE)
    assert not fake.connection().closed.is_set()
    await server.ask({"threadId": "t", "stop": {}}, session=session)
    assert fake.connection().closed.wait(DEADLINE)
    assert server.log()["outcome"] == "stopped"


async def test_the_limit_of_a_run_closes_the_connection_too(start: Start) -> None:
    server, fake = start(silent_in_mid_answer, run_seconds=2)  # the model's own making is in it
    assert (await server.ask("Hi")).code == "RUN_TIMEOUT"
    assert fake.connection().closed.wait(DEADLINE)


async def test_a_finished_call_leaves_its_connection_to_the_next(start: Start) -> None:
    server, fake = start(speak)
    session = new_session()
    for _ in range(3):
        assert (await server.ask("Hi", session=session)).text == "Hello there"
    assert [len(connection.requests) for connection in fake.connections] == [3]


async def test_a_hang_up_hurts_no_other_run(start: Start) -> None:
    def answer(connection: Connection) -> None:
        prompt = connection.requests[-1]["body"]["messages"][-1]["content"][0]["text"]
        (silent_in_mid_answer if prompt == "wait" else speak)(connection)

    server, _ = start(answer)
    for _ in range(3):
        async with server.open("wait") as response:
            lines = response.aiter_lines()
            await until(lines, "CONTENT")
            assert (await server.ask("Hi")).text == "Hello there"
        assert (await server.ask("Hi")).text == "Hello there"


async def test_a_call_that_is_abandoned_late_leaves_the_connection_to_the_call_that_uses_it_now(start: Start) -> None:
    gate = threading.Event()

    def answer(connection: Connection) -> None:
        if len(connection.requests) == 1:
            speak(connection)
        else:
            connection.start()
            gate.wait(DEADLINE)
            connection.say("Still here")
            connection.finish()

    _, fake = start(answer)
    model = BedrockModel.from_settings("anthropic.test", Settings(model="bedrock:m", region="eu-west-1"))
    question: Any = [{"role": "user", "content": [{"text": "Hi"}]}]
    first, second = model.stream(question), model.stream(question)
    while "metadata" not in await anext(first):
        pass
    # Strands reads in a thread; once that is done the connection is free.
    reading = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "to_thread"]
    if reading:
        await asyncio.wait(reading, timeout=DEADLINE)
    await anext(second)
    await first.aclose()
    gate.set()
    said = [event async for event in second]
    assert said[0]["contentBlockDelta"]["delta"]["text"] == "Still here"
    assert len(fake.connections) == 1


async def test_ping_answers_while_a_model_call_hangs(start: Start) -> None:
    server, fake = start(silent_before_headers)
    async with (
        server.open("Hi") as response,
        loopback.AsyncClient(base_url=server.url) as client,
    ):
        lines = response.aiter_lines()
        await until(lines, "RUN_STARTED")
        assert fake.connection().spoke.wait(DEADLINE)
        took = []
        for _ in range(5):
            asked = time.monotonic()
            assert (await client.get("/ping")).json()["status"] == "HealthyBusy"
            took.append(time.monotonic() - asked)
        assert min(took) < 0.05


async def test_throttling_is_retried_while_the_stream_is_kept_alive(start: Start) -> None:
    attempts: list[Connection] = []

    def answer(connection: Connection) -> None:
        attempts.append(connection)
        if len(attempts) == 1:
            connection.refuse(429, "ThrottlingException", "Too many requests")
        else:
            speak(connection)

    server, _ = start(answer, heartbeat_seconds=0.05)
    reply = await server.ask("Hi")
    assert reply.text == "Hello there"
    assert ": keep-alive" in reply.lines
    assert len(attempts) == 2


async def test_throttling_that_lasts_is_told_after_the_last_attempt(start: Start) -> None:
    server, fake = start(lambda connection: connection.refuse(429, "ThrottlingException", ARN))
    reply = await server.ask("Hi")
    assert reply.code == "MODEL_THROTTLED"
    assert ARN not in "".join(reply.lines)
    assert len(fake.requests) == 3


async def test_throttling_after_words_were_sent_is_never_retried(start: Start) -> None:
    def answer(connection: Connection) -> None:
        connection.start()
        connection.say("Hello")
        connection.event("throttlingException", {"message": ARN}, "exception")

    server, fake = start(answer)
    reply = await server.ask("Hi")
    assert (reply.text, reply.code) == ("Hello", "MODEL_THROTTLED")
    assert ARN not in "".join(reply.lines)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "message", "code"),
    [
        (403, "AccessDeniedException", f"not authorized to perform bedrock:InvokeModel on {ARN}", "MODEL_UNAVAILABLE"),
        (404, "ResourceNotFoundException", ARN, "MODEL_UNAVAILABLE"),
        (424, "ModelErrorException", ARN, "MODEL_UNAVAILABLE"),
        (500, "InternalServerException", ARN, "MODEL_UNAVAILABLE"),
        (503, "ServiceUnavailableException", ARN, "MODEL_UNAVAILABLE"),
        (400, "ServiceQuotaExceededException", ARN, "MODEL_THROTTLED"),
        (400, "ValidationException", "Input is too long for requested model.", "CONTEXT_TOO_LONG"),
    ],
)
async def test_a_refusal_of_bedrock_has_its_code(start: Start, status: int, kind: str, message: str, code: str) -> None:
    server, _ = start(lambda connection: connection.refuse(status, kind, message))
    reply = await server.ask("Hi")
    assert reply.code == code
    assert ARN not in "".join(reply.lines)
    assert message in server.log()["stackTrace"]


async def test_a_connection_that_breaks_is_an_unavailable_model(start: Start) -> None:
    def answer(connection: Connection) -> None:
        connection.start()
        connection.say("Hello")
        raise OSError

    server, _ = start(answer)
    reply = await server.ask("Hi")
    assert (reply.text, reply.code) == ("Hello", "MODEL_UNAVAILABLE")


async def test_an_answer_cut_at_the_token_limit_is_an_answer_and_says_so(start: Start) -> None:
    def answer(connection: Connection) -> None:
        connection.start()
        connection.say("Hello the")
        connection.finish("max_tokens")

    server, fake = start(answer)
    session = new_session()
    reply = await server.ask("Hi", session=session)
    assert reply.text == "Hello the"
    assert reply.events[-1]["result"] == {"stopReason": "max_tokens"}
    await server.ask("Go on", session=session)
    said = [message["content"][0]["text"] for message in fake.requests[-1]["body"]["messages"]]
    assert said == ["Hi", "Hello the", "Go on"]


async def test_what_a_guardrail_stopped_is_not_remembered(start: Start) -> None:
    def answer(connection: Connection) -> None:
        connection.start()
        connection.say("I cannot answer that.")
        connection.finish("guardrail_intervened")

    server, fake = start(answer)
    session = new_session()
    reply = await server.ask("Bad", session=session)
    assert reply.events[-1]["result"] == {"stopReason": "guardrail_intervened"}
    await server.ask("Good", session=session)
    assert [message["content"][0]["text"] for message in fake.requests[-1]["body"]["messages"]] == ["Good"]

"""Erasing a user: session, conversations, account, in that order, with AWS's own models of the calls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from client import erasure
from client import users as module
from client.erasure import Erased, erase
from client.errors import AdministrationError
from client.outputs import Outputs

POOL, ANN = "us-east-1_pool", "ann@example.com"
SUB = "5d0a2f4c-6a2f-4a0f-9c53-0f6f3a1b2c3d"
WHO = {"UserPoolId": POOL, "Username": ANN}
RUNTIME = "agent_stream_prod-0123456789"
ARN = f"arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/{RUNTIME}"
MEMORY = "agent_stream_prod-a1B2c3D4e5"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
SESSION = botocore.session.get_session()
"""One for all tests, so that AWS's models are read once."""
OUTPUTS = Outputs.model_validate(
    {
        "region": "us-east-1",
        "invokeUrl": "https://x.example/prod/invocations",
        "userPoolId": POOL,
        "userPoolClientId": "client",
        "issuer": "https://x.example",
        "runtimeArn": ARN,
        "runtimeId": RUNTIME,
        "sessionFrom": "user",
    }
)


class Stubs:
    """The three APIs, which answer in the given order and fail on any other call."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.cognito, self.control, self.data = (
            self.stub(service) for service in ("cognito-idp", "bedrock-agentcore-control", "bedrock-agentcore")
        )

    def stub(self, service: str) -> Stubber:
        client: Any = SESSION.create_client(
            service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        client.meta.events.register("before-parameter-build", lambda model, **_: self.order.append(model.name))
        return Stubber(client)

    def user(self, *, enabled: bool) -> None:
        found = {"Username": ANN, "Enabled": enabled, "UserAttributes": [{"Name": "sub", "Value": SUB}]}
        self.cognito.add_response("admin_get_user", found, WHO)

    def account_goes(self) -> None:
        self.cognito.add_response("admin_user_global_sign_out", {}, WHO)
        self.cognito.add_response("admin_delete_user", {}, WHO)

    def runtime(self, **variables: str) -> None:
        found = {
            "agentRuntimeArn": ARN,
            "agentRuntimeName": "agent_stream_prod",
            "agentRuntimeId": RUNTIME,
            "agentRuntimeVersion": "4",
            "createdAt": NOW,
            "lastUpdatedAt": NOW,
            "roleArn": "arn:aws:iam::000000000000:role/x",
            "networkConfiguration": {"networkMode": "PUBLIC"},
            "status": "READY",
            "lifecycleConfiguration": {},
            "environmentVariables": variables,
        }
        self.control.add_response("get_agent_runtime", found, {"agentRuntimeId": RUNTIME})

    def session_ends(self) -> None:
        asked = {"agentRuntimeArn": ARN, "runtimeSessionId": SUB, "qualifier": "DEFAULT"}
        self.data.add_response("stop_runtime_session", {"statusCode": 200}, asked)

    def conversation(self, session: str, *events: str) -> None:
        where = {"memoryId": MEMORY, "actorId": SUB, "sessionId": session}
        listed = {"events": [{**where, "eventId": each, "eventTimestamp": NOW, "payload": []} for each in events]}
        self.data.add_response("list_events", listed, {**where, "includePayloads": False})
        for each in events:
            self.data.add_response("delete_event", {"eventId": each}, {**where, "eventId": each})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubs]:
    stubs = Stubs()
    all_three = (stubs.cognito, stubs.control, stubs.data)
    monkeypatch.setattr(module, "administrator", lambda *_: stubs.cognito.client)
    monkeypatch.setattr(erasure, "agentcore", lambda *_: (stubs.control.client, stubs.data.client))
    for each in all_three:
        each.activate()
    yield stubs
    for each in all_three:
        each.assert_no_pending_responses()
        each.deactivate()


def test_every_conversation_goes_and_the_account_last(aws: Stubs) -> None:
    aws.user(enabled=False)
    aws.session_ends()
    aws.runtime(AGENT_MEMORY_ID=MEMORY)
    sessions = [{"sessionId": each, "actorId": SUB, "createdAt": NOW} for each in ("a", "b")]
    whose = {"memoryId": MEMORY, "actorId": SUB}
    aws.data.add_response("list_sessions", {"sessionSummaries": sessions[:1], "nextToken": "more"}, whose)
    aws.data.add_response("list_sessions", {"sessionSummaries": sessions[1:]}, {**whose, "nextToken": "more"})
    aws.conversation("a", "0001#1", "0002#2")
    aws.conversation("b", "0003#3")
    aws.account_goes()
    assert erase(OUTPUTS, ANN) == Erased(SUB, memory=True, conversations=2, events=3)
    assert aws.order[-2:] == ["AdminUserGlobalSignOut", "AdminDeleteUser"]


def test_without_a_memory_the_session_and_the_account_go(aws: Stubs) -> None:
    aws.user(enabled=False)
    aws.data.add_client_error("stop_runtime_session", "ResourceNotFoundException", http_status_code=404)
    aws.runtime()
    aws.account_goes()
    assert erase(OUTPUTS, ANN) == Erased(SUB, memory=False, conversations=0, events=0)


def test_a_user_who_may_still_ask_is_not_erased(aws: Stubs) -> None:
    aws.user(enabled=True)
    with pytest.raises(AdministrationError, match="`users disable` first"):
        erase(OUTPUTS, ANN)


def test_an_account_outlives_a_conversation_that_cannot_be_deleted(aws: Stubs) -> None:
    aws.user(enabled=False)
    aws.session_ends()
    aws.runtime(AGENT_MEMORY_ID=MEMORY)
    aws.data.add_client_error("list_sessions", "AccessDeniedException", "not authorized")
    with pytest.raises(AdministrationError, match="AccessDeniedException"):
        erase(OUTPUTS, ANN)
    assert "AdminDeleteUser" not in aws.order


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of AWS's SDK, when it is imported
def test_the_agent_keeps_a_users_conversations_under_the_sub() -> None:
    from agent.agentcore_memory import _actor  # noqa: PLC0415 - see above
    from agent.caller import Caller  # noqa: PLC0415

    assert _actor(Caller(SUB, "x" * 33, "request", new_session=False)) == SUB

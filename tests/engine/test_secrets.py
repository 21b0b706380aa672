"""What is a secret stays one in the state that a real engine writes, and no message of the program shows it."""

from __future__ import annotations

import pytest
from pulumi import automation

from tests.engine.conftest import NewStack
from tests.engine.stacks import EngineStack, structured
from tests.infra.graphs import PROJECT, changed_settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WEBHOOK = "https://hooks.example.com/T0/B0/a-token-that-opens-it"


def with_alarms(stack: EngineStack, **secret: str) -> None:
    settings = structured(changed_settings("dev", {"observability": {"alarms": True}}))
    stack.configure(settings, secret={f"{PROJECT}:{path}": value for path, value in secret.items()})


def test_no_secret_stands_in_clear_in_the_state(deployed: NewStack) -> None:
    stack = deployed("dev", api={"teams": {"sales": {}}})
    state = stack.state()
    origin = {each["result"] for each in stack.cloud.all("RandomPassword")}
    keys = {each["value"] for each in stack.cloud.all("ApiKey")}
    assert len(origin) == len(keys) == 1
    assert '"ciphertext"' in state
    for value in origin | keys:
        assert value not in state


def test_an_encrypted_subscriber_reaches_aws_and_stands_in_clear_nowhere_else(created: NewStack) -> None:
    stack = created("dev")
    with_alarms(stack, **{"observability.subscribers[0]": WEBHOOK})
    stack.up()
    (subscription,) = stack.cloud.all("TopicSubscription")
    assert subscription["endpoint"] == WEBHOOK
    assert "a-token" not in stack.state()
    assert "a-token" not in (stack.folder / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert stack.preview() == {}


def test_a_secret_that_would_stand_in_clear_is_refused_before_anything_is_made(created: NewStack) -> None:
    stack = created("dev")
    with_alarms(stack, **{"firewall.requestsPerAddress": "500"})
    with pytest.raises(automation.CommandError, match=f"{PROJECT}:firewall is stored as a secret") as refused:
        stack.up()
    assert "500" not in str(refused.value)
    assert stack.cloud.changes == []


def test_what_is_wrong_with_a_secret_is_told_without_it(created: NewStack) -> None:
    stack = created("dev")
    with_alarms(stack, **{"observability.subscribers[0]": f"{WEBHOOK}, and another"})
    with pytest.raises(automation.CommandError, match=r"observability\.subscribers\[0\] is a secret") as refused:
        stack.up()
    assert "a-token" not in str(refused.value)

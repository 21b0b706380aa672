"""A setting that is stored encrypted: it stays a secret, or the program refuses to show it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.config import StackConfig
from infra.settings.confidential import confidential_keys
from local.program.evaluate import evaluate, read_settings, secret_keys
from local.program.provider import MockProvider
from tests.infra.graphs import PROJECT, changed_settings, variation
from tests.infra.test_settings import problems_of

WEBHOOK = "https://hooks.example.com/T0/B0/a-token-that-opens-it"
SECTION = f"{PROJECT}:observability"


def test_every_subscribers_address_is_a_secret_input_and_a_secret_of_the_graph() -> None:
    graph = variation("dev", observability={"alarms": True, "subscribers": [WEBHOOK, "a@example.com"]})
    subscriptions = graph.all("aws:sns/topicSubscription:TopicSubscription")
    assert [each.secret_inputs for each in subscriptions] == [("endpoint",)] * 2
    assert {WEBHOOK, "a@example.com"} <= set(graph.secrets)
    assert not [each.name for each in graph.resources if WEBHOOK in json.dumps(dict(each.inputs)) + each.urn][1:]


def test_a_secret_section_that_keeps_its_secret_is_accepted() -> None:
    settings = changed_settings("dev", {"observability": {"subscribers": [WEBHOOK], "alarms": True}})
    config = StackConfig.parse(PROJECT, "dev", settings, secret={SECTION})
    assert config.observability.subscribers == [WEBHOOK]


@pytest.mark.parametrize("section", ["firewall", "runtime", "owner", "observability"])
def test_one_that_would_stand_in_clear_is_refused_by_name(section: str) -> None:
    settings = changed_settings("dev", {"firewall": {"requestsPerAddress": 500}})
    (found,) = problems_of("dev", settings, secret={f"{PROJECT}:{section}"})
    assert found.startswith(f"{PROJECT}:{section} is stored as a secret, but its value would be in the state in clear")
    assert "only observability.subscribers stays encrypted; store it without --secret" in found


@pytest.mark.parametrize(
    "subscribers", [["not an address with a-token"], [WEBHOOK, WEBHOOK], [f"{WEBHOOK} "], [{"a-token": 1}]]
)
def test_no_message_shows_what_is_wrong_with_a_secret(subscribers: list[object]) -> None:
    settings = changed_settings("dev", {"observability": {"subscribers": subscribers, "alarms": True}})
    (found,) = problems_of("dev", settings, secret={SECTION})
    assert found.startswith(f"{PROJECT}:observability.subscribers")
    assert "a-token" not in found
    assert "it cannot be used; write " in found
    (shown,) = problems_of("dev", settings)
    assert "a-token" in shown


def test_nor_does_a_contradiction() -> None:
    settings = changed_settings("dev", {"observability": {"subscribers": [WEBHOOK], "alarms": False}})
    (found,) = problems_of("dev", settings, secret={SECTION})
    assert "a-token" not in found
    assert found.startswith(f"{PROJECT}:observability.")


def test_the_local_run_takes_a_file_with_an_encrypted_subscriber(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(
        f"config:\n  aws:region: us-east-1\n  owner: us\n  runtime:\n    modelArns:\n"
        "      - arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0\n"
        "    model: bedrock:anthropic.claude-haiku-4-5-20251001-v1:0\n"
        f"  {SECTION}:\n    subscribers:\n    - secure: v1:abc=\n    - secure: v1:def=\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("local.program.evaluate.known_stacks", lambda: {"dev": path})
    assert secret_keys("dev") == {SECTION}
    assert "v1:abc" not in json.dumps(read_settings("dev"))
    graph = evaluate("dev", MockProvider("us-east-1"))
    assert len(graph.all("aws:sns/topicSubscription:TopicSubscription")) == 2


def test_what_is_confidential_is_known() -> None:
    assert list(confidential_keys(StackConfig)) == [("observability", "subscribers")]

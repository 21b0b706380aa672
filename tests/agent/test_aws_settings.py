"""A setting of AWS that cannot work is told at the start, in one sentence, by whatever it is for."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from agent.agentcore_memory import AgentCoreMemory
from agent.settings import Settings, SettingsError
from agent.strands.models import build_model

REGION = "eu-west-1"
MEMORY = "memory-0123456789"

pytestmark = pytest.mark.usefixtures("aws")


def model(model_id: str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", region: str = REGION) -> Any:
    return build_model(Settings(model=f"bedrock:{model_id}", region=region))


def memory(memory_id: str = MEMORY, region: str = REGION) -> Any:
    return AgentCoreMemory(Settings(model="scripted", memory_id=memory_id, region=region))


def refusal(make: Any, *arguments: str) -> str:
    with pytest.raises(SettingsError) as caught:
        make(*arguments)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.endswith(".")
    return said


PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3"


@pytest.mark.parametrize("model_id", ["anthropic.claude-3-haiku-20240307-v1:0", "eu.amazon.nova-lite-v1:0", PROFILE])
def test_an_id_that_a_model_can_have_is_taken(model_id: str) -> None:
    assert model(model_id).get_config()["model_id"] == model_id


@pytest.mark.parametrize("model_id", [" nonsense id with spaces", "anthropic/claude", "modèle", "m\n"])
def test_an_id_that_no_model_can_have_is_told(model_id: str) -> None:
    said = refusal(model, model_id)
    assert said.startswith("AGENT_MODEL cannot be used")
    assert "bedrock:eu.anthropic" in said


@pytest.mark.parametrize("memory_id", [MEMORY, f"arn:aws:bedrock-agentcore:{REGION}:123456789012:memory/{MEMORY}"])
def test_an_id_that_a_memory_can_have_is_taken(memory_id: str) -> None:
    memory(memory_id)


@pytest.mark.parametrize("memory_id", ["not a valid id!!", "mem-1", "memory", f"{MEMORY}\n"])
def test_an_id_that_no_memory_can_have_is_told(memory_id: str) -> None:
    assert refusal(memory, memory_id).startswith("AGENT_MEMORY_ID cannot be used")


@pytest.mark.parametrize("make", [model, memory])
def test_missing_credentials_are_told_with_the_remedy(make: Any, aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    said = refusal(make)
    assert "no AWS credentials" in said
    assert "AWS_PROFILE" in said


def test_a_key_of_bedrocks_own_is_a_credential(aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    aws.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
    assert model()


@pytest.mark.parametrize(
    ("make", "what"), [(model, "The model bedrock:eu.anthropic"), (memory, f"The memory {MEMORY}")]
)
def test_a_profile_that_is_missing_is_told_by_what_needs_it(make: Any, what: str, aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_PROFILE", "nobody")
    said = refusal(make)
    assert said.startswith(f"{what}")
    assert "nobody" in said


@pytest.mark.parametrize("make", [model, memory])
def test_a_region_that_is_not_known_is_warned_of(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    make(region=REGION)
    assert not caplog.records
    make(region="eu-nowhere-9")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "AGENT_REGION" in record.message
    assert "did you mean eu-" in record.message


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("AGENT_HEARTBEAT_SECOND", "did you mean AGENT_HEARTBEAT_SECONDS"),
        ("AGENT_XYZZY_42", "docs/agent.md"),
        ("AGENT_OBSERVABILITY_ENABLED", None),
        ("AGENT_PORT", None),
        ("AGENTS", None),
    ],
)
def test_a_name_that_is_no_setting_is_warned_of_with_the_nearest_that_is(
    name: str, advice: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    Settings.from_environment({"AGENT_MODEL": "scripted", name: "3"})
    said = [record.message for record in caplog.records]
    assert [name in text and str(advice) in text for text in said] == ([True] if advice else [])


async def _stream(of: Any) -> None:
    async for _ in of.stream([{"role": "user", "content": [{"text": "[fail=unavailable]"}]}]):
        pass


def test_the_model_that_is_built_is_still_of_its_class() -> None:
    from agent.errors import AgentError  # noqa: PLC0415
    from local.doubles.scripted import ScriptedModel  # noqa: PLC0415

    built = build_model(Settings(model="scripted"))
    assert isinstance(built, ScriptedModel)
    with pytest.raises(AgentError, match="cannot be reached"):
        asyncio.run(_stream(built))

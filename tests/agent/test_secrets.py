"""AGENT_SECRETS, resolved by an emulated Secrets Manager and Parameter Store (ministack) before the first question."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import pytest

from agent.secrets import resolve_secrets
from agent.settings import Settings, SettingsError
from tests.agent.support import Serve
from tests.local.emulator import emulated

pytestmark = pytest.mark.anyio

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulated AWS."""
    with emulated(tmp_path_factory.mktemp("emulator")) as url:
        yield url


@pytest.fixture(autouse=True)
def _emulated(aws: pytest.MonkeyPatch, emulator: str) -> None:
    aws.setenv("AWS_ENDPOINT_URL", emulator)


@pytest.fixture(scope="module")
def arns(emulator: str) -> dict[str, str]:
    """A secret of each service, by the name of its variable."""
    how: Any = {
        "region_name": REGION,
        "endpoint_url": emulator,
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "example",
    }
    manager, parameters = boto3.client("secretsmanager", **how), boto3.client("ssm", **how)
    binary = manager.create_secret(Name="picture", SecretBinary=b"\x89PNG")["ARN"]
    secret = manager.create_secret(Name="crm", SecretString="hunter2")["ARN"]
    parameters.put_parameter(Name="/agent/search", Value="hunter3", Type="SecureString")
    return {
        "CRM_KEY": secret,
        "SEARCH_KEY": parameters.get_parameter(Name="/agent/search")["Parameter"]["ARN"],
        "PICTURE": binary,
    }


def settings(secrets: dict[str, str]) -> Settings:
    return Settings.from_environment({"AGENT_MODEL": "scripted", "AGENT_SECRETS": json.dumps(secrets)})


def test_a_secret_of_each_service_becomes_its_variable(arns: dict[str, str]) -> None:
    environment: dict[str, str] = {}
    resolve_secrets(settings({name: arns[name] for name in ("CRM_KEY", "SEARCH_KEY")}), environment)
    assert environment == {"CRM_KEY": "hunter2", "SEARCH_KEY": "hunter3"}


def test_a_variable_that_is_set_already_stays(arns: dict[str, str]) -> None:
    environment = {"CRM_KEY": "mine"}
    resolve_secrets(settings({"CRM_KEY": arns["CRM_KEY"]}), environment)
    assert environment == {"CRM_KEY": "mine"}


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        (f"arn:aws:secretsmanager:{REGION}:000000000000:secret:nothing-AbCdEf", "ResourceNotFoundException"),
        (f"arn:aws:ssm:{REGION}:000000000000:parameter/nothing", "ParameterNotFound"),
        (f"arn:aws:s3:{REGION}:000000000000:bucket/key", "must be the ARN of a Secrets Manager secret"),
        ("nothing", "must be the ARN of a Secrets Manager secret"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named(arns: dict[str, str], arn: str, told: str) -> None:
    environment: dict[str, str] = {}
    with pytest.raises(SettingsError) as raised:
        resolve_secrets(settings({"CRM_KEY": arn}), environment)
    assert "CRM_KEY" in str(raised.value)
    assert told in str(raised.value)
    assert environment == {}


def test_bytes_are_no_variable(arns: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"PICTURE.*bytes"):
        resolve_secrets(settings({"PICTURE": arns["PICTURE"]}), {})


async def test_the_first_question_finds_them_and_no_log_has_them(
    serve: Serve, arns: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_KEY", "")  # so that what the agent sets is gone with the test
    monkeypatch.delenv("CRM_KEY")

    async def build(run: Any) -> AsyncIterator[str]:
        yield str(len(os.environ["CRM_KEY"]))

    server = serve(build, secrets={"CRM_KEY": arns["CRM_KEY"]})
    assert (await server.ask("Hi")).text == "7"
    assert "hunter2" not in json.dumps(server.log())

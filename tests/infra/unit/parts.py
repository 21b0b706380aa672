"""The components that others are made from, as small as a stack can have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.api import StreamingApi
from infra.artifact import CodePackage
from infra.identity import Identity
from infra.runtime import Runtime
from infra.settings.api import ApiSettings
from infra.settings.identity import IdentitySettings
from infra.settings.runtime import RuntimeSettings
from tests.infra.unit.mocks import STACK

MODEL = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"


def runtime_settings(**changes: Any) -> RuntimeSettings:
    """The runtime's settings, in the keys of a stack file."""
    return RuntimeSettings.model_validate({"modelArns": [MODEL], **changes})


def an_identity() -> Identity:
    """A user pool at its defaults."""
    return Identity(STACK, IdentitySettings())


def a_runtime(package: Path, settings: RuntimeSettings | None = None, identity: Identity | None = None) -> Runtime:
    """A runtime with what it stands on."""
    return Runtime(
        STACK,
        settings or runtime_settings(),
        identity=identity or an_identity(),
        artifact=CodePackage(STACK, package=package, telemetry=False),
        environment={"AGENT_NAME": "unit"},
    )


def an_api(package: Path, settings: ApiSettings | None = None, identity: Identity | None = None) -> StreamingApi:
    """An API, its stage named dev, with what it stands on."""
    identity = identity or an_identity()
    return StreamingApi(
        STACK,
        settings or ApiSettings(),
        identity=identity,
        runtime=a_runtime(package, identity=identity),
        private_edge=None,
        stage_name="dev",
        tracing=False,
    )

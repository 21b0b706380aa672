"""Unit tests of `infra.origin` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.origin import OriginSecret
from infra.settings.runtime import OriginSecretSettings
from tests.infra.unit.mocks import STACK


@pulumi.runtime.test
def test_a_rotation_accepts_two_generations_and_sends_one() -> pulumi.Output[None]:
    made = OriginSecret(STACK, OriginSecretSettings.model_validate({"sent": 2, "alsoAccepted": 1}))

    def check(known: list[Any]) -> None:
        sent, variables = known
        assert variables["AGENT_ORIGIN_SECRET"] == sent
        assert variables["AGENT_ORIGIN_SECRET_PREVIOUS"] != sent

    return pulumi.Output.all(made.sent, made.variables()).apply(check)


@pulumi.runtime.test
async def test_its_value_is_a_secret() -> None:
    made = OriginSecret(STACK, OriginSecretSettings())
    assert await made.sent.is_secret()

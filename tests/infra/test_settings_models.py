"""A model is accepted only with every ARN that Bedrock asks for, as far as a stack file can tell."""

from __future__ import annotations

import pytest

from tests.infra.graphs import PROJECT, changed_settings
from tests.infra.test_settings import problems_of

ID = "anthropic.claude-haiku-4-5-20251001-v1:0"
HERE = f"arn:aws:bedrock:us-east-1::foundation-model/{ID}"
THERE = f"arn:aws:bedrock:us-west-2::foundation-model/{ID}"
ANYWHERE = f"arn:aws:bedrock:::foundation-model/{ID}"
OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


def profile(geography: str, region: str = "us-east-1", account: str = "ACCOUNT") -> str:
    return f"arn:aws:bedrock:{region}:{account}:inference-profile/{geography}.{ID}"


def problems_with(model: str, arns: list[str], region: str = "us-east-1") -> list[str]:
    settings = changed_settings("dev", {"runtime": {"model": f"bedrock:{model}", "modelArns": arns}})
    return problems_of("dev", {**settings, "aws:region": region})


@pytest.mark.parametrize(
    ("model", "arns"),
    [
        (ID, [HERE]),
        (HERE, [HERE]),
        (f"us.{ID}", [profile("us"), HERE, THERE]),
        (f"us.{ID}", [profile("us", account="123456789012"), HERE]),
        (f"global.{ID}", [profile("global"), HERE, ANYWHERE]),
        (profile("us", account="123456789012"), [profile("us"), HERE]),
        (profile("global", account="123456789012"), [profile("global"), HERE, ANYWHERE]),
        (OWN, [OWN, HERE]),
        (OWN, [OWN.replace("123456789012", "ACCOUNT"), THERE]),
    ],
)
def test_is_accepted_with_every_arn_it_needs(model: str, arns: list[str]) -> None:
    assert problems_with(model, arns) == []


@pytest.mark.parametrize(
    ("model", "arns", "missing"),
    [
        (ID, [THERE], HERE),
        (HERE, [THERE], HERE),
        (f"us.{ID}", [HERE, THERE], profile("us")),
        (f"us.{ID}", [profile("us"), THERE], HERE),
        (f"us.{ID}", [profile("us", region="us-west-2"), HERE], profile("us")),
        (f"global.{ID}", [profile("global"), HERE], ANYWHERE),
        (f"global.{ID}", [profile("global"), ANYWHERE], HERE),
        (profile("us", account="123456789012"), [HERE], profile("us")),
        (profile("global", account="123456789012"), [profile("global"), HERE], ANYWHERE),
        (OWN, [HERE], OWN.replace("123456789012", "ACCOUNT")),
    ],
)
def test_the_arn_to_add_is_named(model: str, arns: list[str], missing: str) -> None:
    (found,) = problems_with(model, arns)
    assert found.startswith(f"{PROJECT}:runtime.modelArns is")
    assert f"add {missing}" in found


def test_an_application_profile_needs_the_arn_of_a_model_too() -> None:
    (found,) = problems_with(OWN, [OWN])
    assert "add that model's ARN" in found


def test_models_of_another_region_are_named_with_both_regions() -> None:
    (found,) = problems_with(f"us.{ID}", [profile("us"), HERE, THERE], region="eu-central-1")
    assert f"add {profile('us', region='eu-central-1')}" in found
    assert "or name a model that eu-central-1 has" in found
    (found,) = problems_with(HERE, [HERE], region="eu-central-1")
    assert found.startswith(f"{PROJECT}:runtime.model is")


def test_arns_of_the_government_regions_have_their_own_partition() -> None:
    arn = f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{ID}"
    assert problems_with(ID, [arn], region="us-gov-west-1") == []
    (found,) = problems_with(ID, [HERE.replace("us-east-1", "us-gov-west-1")], region="us-gov-west-1")
    assert found.startswith(f"{PROJECT}:runtime.modelArns[0] is")


@pytest.mark.parametrize(
    "model",
    [
        "arn:aws:bedrock:us-east-1:ACCOUNT:inference-profile/us.a",  # the agent would ask Bedrock for ACCOUNT
        "",
        "a b",
        "arn:aws:bedrock:us-east-1::foundation-model/a b",
    ],
)
def test_a_model_that_the_agent_could_not_ask_for_is_refused(model: str) -> None:
    assert [found.split()[0] for found in problems_with(model, [HERE])] == [f"{PROJECT}:runtime.model"]


@pytest.mark.parametrize(
    "arn",
    [
        "*",
        "arn:aws:bedrock:*::foundation-model/a",
        "arn:aws:bedrock:us-east-1::foundation-model/*",
        "arn:aws:bedrock:us-esat-1::foundation-model/a",
        "arn:aws:bedrock::ACCOUNT:inference-profile/global.a",  # only a model is without a Region
        "arn:aws:bedrock:us-east-1::inference-profile/us.a",
        "arn:aws:s3:::bucket",
    ],
)
def test_an_arn_that_is_not_one_model_is_refused(arn: str) -> None:
    (found,) = problems_with(ID, [HERE, arn])
    assert found.startswith(f"{PROJECT}:runtime.modelArns[1] is")

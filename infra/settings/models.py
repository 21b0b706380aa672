"""Which ARNs a role needs so that it may invoke a Bedrock model from a Region.

A model is invoked by its own id in one Region, or through an *inference profile*, which may send the request to others.
Bedrock then requires permission for the profile, for the model in the request's own Region, and for the model in every
Region that the request may be sent to (https://docs.aws.amazon.com/bedrock/latest/userguide/geographic-cross-region-inference.html);
for a ``global.`` profile the last is one ARN without a Region
(https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.settings.base import Contradiction, impossible
from infra.settings.patterns import Pattern
from infra.settings.regions import REGIONS, partition_of

ACCOUNT = "ACCOUNT"
"""A placeholder for the number of the stack's own account in an ARN, so that a stack file need not contain it."""

GEOGRAPHY = re.compile(r"(us|eu|apac|jp|au|ca|us-gov|global)\.")

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):bedrock:(?P<region>[a-z0-9-]*):"
    r"(:(?P<model>foundation-model)|(\d{12}|ACCOUNT):(inference-profile|application-inference-profile))"
    r"/(?P<id>[A-Za-z0-9.:_-]+)"
)


def _is_one_model(arn: str) -> None:
    found = _ARN.fullmatch(arn)
    if not found or not (found["region"] or found["model"]):
        raise impossible(
            "that is not the ARN of one Bedrock model or inference profile", f"write {MODEL_ARN.description}, without *"
        )
    if found["region"] and (found["region"] not in REGIONS or found["partition"] != partition_of(found["region"])):
        raise impossible(f"there is no Region {found['region']} in {found['partition']}", "write the ARN's own Region")


MODEL_ARN = Pattern(
    "arn:aws:bedrock:REGION::foundation-model/ID or arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID",
    check=_is_one_model,
)
MODEL = Pattern(
    "bedrock: and the id of a model or inference profile, or the ARN of one with the account's number, or openai: and "
    "the name of a model",
    # The agent gets this value unchanged, so ACCOUNT in it would reach Bedrock.
    r"bedrock:([A-Za-z0-9.:_-]+|arn:aws[a-z-]*:bedrock:(?!\S*:ACCOUNT:)\S+)|openai:[A-Za-z0-9._:/-]{1,128}",
    why="the agent could not call it",
)


def model_contradictions(model: str, arns: Sequence[str], region: str) -> Iterator[Contradiction]:
    """Why a role with permission for ``arns`` cannot invoke ``model`` (``bedrock:…``) from a Region."""
    if not model.startswith("bedrock:"):
        return
    name = model.removeprefix("bedrock:")
    found = _ARN.fullmatch(name)
    if found and found["region"] != region:
        yield Contradiction(
            ("model", "region"),
            f"the agent calls Bedrock in {region}",
            f"write the ARN of a model or inference profile in {region}, or its id alone",
        )
        return
    granted = {re.sub(r":\d{12}:", f":{ACCOUNT}:", arn) for arn in arns}
    missing = [arn for arn in _needed(name, region) if arn not in granted]
    if missing:
        yield Contradiction(
            ("modelArns", "model", "region"),
            f"Bedrock would refuse the first prompt, because {name} in {region} needs more",
            f"add {' and '.join(missing)}"
            + (", and the model in each other Region of the profile" * _is_geographic(name))
            + f", or name a model that {region} has",
        )
    elif "application-inference-profile/" in name and not any("::foundation-model/" in arn for arn in arns):
        yield Contradiction(
            ("modelArns", "model"),
            f"Bedrock would refuse the first prompt, because the model behind {name} needs an ARN too",
            "add that model's ARN, for each Region that the profile may send a request to",
        )


def _is_geographic(name: str) -> bool:
    """Whether a model's id is that of an inference profile within a geography."""
    return bool(GEOGRAPHY.match(name)) and not name.startswith("global.")


def _needed(name: str, region: str) -> Iterator[str]:
    """The ARNs without which a request for the model fails; only Bedrock knows a profile's other Regions."""
    start = f"arn:{partition_of(region)}:bedrock"
    found = _ARN.fullmatch(name)
    if found and not name.partition(":inference-profile/")[1]:
        yield re.sub(r":\d{12}:", f":{ACCOUNT}:", name)
        return
    id_ = found["id"] if found else name
    profile = GEOGRAPHY.match(id_)
    if profile:
        yield f"{start}:{region}:{ACCOUNT}:inference-profile/{id_}"
    base = GEOGRAPHY.sub("", id_, count=1)
    yield f"{start}:{region}::foundation-model/{base}"
    if id_.startswith("global."):
        yield f"{start}:::foundation-model/{base}"

"""Unit tests of `infra.endpoint_type`: what the engine's question about a change is answered."""

from __future__ import annotations

import pulumi
import pytest

from infra.endpoint_type import refuse_another_type


def change(before: tuple[str, str], after: tuple[str, str]) -> pulumi.ResourceHookArgs:
    """A change of the API's type and access mode, as the engine tells of it."""

    def inputs(each: tuple[str, str]) -> dict[str, object]:
        return {"endpointConfiguration": {"types": each[0]}, "endpointAccessMode": each[1]}

    return pulumi.ResourceHookArgs(
        "urn", "id", "api", "RestApi", old_inputs=inputs(before), new_inputs=inputs(after), old_outputs={}
    )


@pytest.mark.parametrize("mode", ["BASIC", "STRICT"])
def test_another_type_is_refused_while_the_deployed_api_is_strict(mode: str) -> None:
    with pytest.raises(pulumi.RunError, match="The API is REGIONAL and strictHost holds it there"):
        refuse_another_type(change(("REGIONAL", "STRICT"), ("PRIVATE", mode)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("REGIONAL", "BASIC"), ("PRIVATE", "BASIC")),
        (("REGIONAL", "BASIC"), ("PRIVATE", "STRICT")),
        (("REGIONAL", "STRICT"), ("REGIONAL", "BASIC")),
        (("REGIONAL", "STRICT"), ("REGIONAL", "STRICT")),
    ],
    ids=str,
)
def test_any_other_change_passes(before: tuple[str, str], after: tuple[str, str]) -> None:
    refuse_another_type(change(before, after))

"""Unit tests of `infra.outputs` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from contract import StackOutputs
from infra.outputs import export

EVERY: dict[str, Any] = dict.fromkeys(StackOutputs.model_fields, "x")


def test_an_output_of_the_contract_cannot_be_forgotten() -> None:
    with pytest.raises(pulumi.RunError, match=r"does not export loginUrl, which contract.StackOutputs declares"):
        export(**{name: value for name, value in EVERY.items() if name != "login_url"})


def test_an_output_that_nobody_described_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"exports colour, which contract.StackOutputs does not declare"):
        export(**EVERY, colour="red")


@pulumi.runtime.test
def test_an_output_is_exported_by_its_camel_case_name_unless_the_stack_has_none() -> None:
    export(**{**EVERY, "dashboard_url": None})
    root = get_root_resource()
    assert isinstance(root, Stack)
    names = {str(field.alias) for field in StackOutputs.model_fields.values()}
    assert set(root.outputs) == names - {"dashboardUrl"}

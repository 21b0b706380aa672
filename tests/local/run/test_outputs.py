"""What a local run makes of a stack's outputs: its own addresses, and none of AWS's where it has another."""

from __future__ import annotations

from local.planes.limits import not_emulated
from local.run.outputs import ADDRESSES, addresses_of, located
from tests.infra.graphs import WEBSITE, variation


def test_a_page_on_aws_is_not_the_local_runs() -> None:
    graph = variation("dev", **WEBSITE)
    outputs = located(graph.outputs, addresses_of(graph, lambda name: f"http://{name}.invalid"))
    assert graph.outputs["websiteUrl"] == "https://chat.example.com/"
    assert "websiteUrl" not in outputs
    assert all(".invalid" in outputs[name] for name in ADDRESSES)


def test_what_stands_in_front_of_the_page_on_aws_is_said_to_be_left_out() -> None:
    assert [line for line in not_emulated(variation("dev", **WEBSITE)) if line.startswith("CloudFront: ")]
    assert not [line for line in not_emulated(variation("dev")) if "CloudFront" in line]

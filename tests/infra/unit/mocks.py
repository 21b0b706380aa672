"""Pulumi's own mocks for a unit test: what AWS would answer, and what was asked of it.

For a test of your own, write a file like those beside this one: make a component, then return an output whose
callback asserts; `@pulumi.runtime.test` waits for it. What mocks cannot show, such as dependencies and options, is
tested over the graph (``tests/infra/test_*.py``) and in the engine (``tests/engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from pulumi.runtime.stack import wait_for_rpcs

from infra.component import StackContext
from local.program.provider import MockProvider

REGION = "us-east-1"
STACK = StackContext("unit", REGION, {"owner": "agent-team"}, log_retention_days=7)


class AwsMocks(pulumi.runtime.Mocks):
    """Answers every resource with an id, an ARN and what else AWS computes, and remembers its inputs."""

    def __init__(self) -> None:
        self.declared: list[pulumi.runtime.MockResourceArgs] = []
        self._provider = MockProvider(REGION)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """See `pulumi.runtime.Mocks`."""
        self.declared.append(args)
        if args.typ.startswith("agentstream:"):
            return None, {}
        id_, outputs = self._provider.create(args.typ, args.name, args.inputs)
        # A component of awsx is made elsewhere: what comes back is its outputs alone.
        return id_, outputs if args.typ.startswith("awsx:") else {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """See `pulumi.runtime.Mocks`; a component that looks something up would need credentials in a preview."""
        raise AssertionError(f"{args.token} is looked up")

    def after(self, check: Callable[..., None], *outputs: pulumi.Input[Any]) -> pulumi.Output[None]:
        """Calls ``check`` with the outputs' values once everything is declared: registrations run side by side."""

        async def settled() -> bool:
            await wait_for_rpcs(await_all_outstanding_tasks=False)
            return True

        declared: pulumi.Output[bool] = pulumi.Output.from_input(settled())
        return pulumi.Output.all(declared, *outputs).apply(lambda known: check(*known[1:]))

    def inputs(self, kind: str, name: str = "") -> Mapping[str, Any]:
        """The inputs of the only resource of a kind (``UserPool``) whose name ends with ``name``."""
        (found,) = (
            args.inputs for args in self.declared if args.typ.rpartition(":")[2] == kind and args.name.endswith(name)
        )
        return dict(found)

    def texts(self, kind: str, key: str) -> list[str]:
        """One input of every resource of a kind."""
        return [args.inputs[key] for args in self.declared if args.typ.rpartition(":")[2] == kind]

    def kinds(self) -> set[str]:
        """The kinds of everything that was declared, components aside."""
        return {args.typ.rpartition(":")[2] for args in self.declared if not args.typ.startswith("agentstream:")}

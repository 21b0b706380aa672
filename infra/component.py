"""The base of every component, and what all components of a stack share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi


@dataclass(frozen=True)
class StackContext:
    """What all components of a stack share.

    Attributes:
        name: ``<project>-<stack>``, the prefix of every logical and physical name.
        region: the stack's Region.
        tags: set by `Component` on every resource that can have tags.
        protect: whether Pulumi, or AWS, refuses to delete what holds data or an address that users know.
        log_retention_days: how long each log group keeps its lines.
    """

    name: str
    region: str
    tags: Mapping[str, str]
    protect: bool = False
    log_retention_days: int = 30

    def below(self, part: str) -> StackContext:
        """The same for a part of the stack, with the names ``<project>-<stack>-<part>``."""
        return replace(self, name=f"{self.name}-{part}")


class Component(pulumi.ComponentResource):
    """A component whose children carry the stack's tags: a transformation adds them, so none is forgotten.

    Its Pulumi type is ``agentstream:infra:<kind>`` and its name the stack's.

    Attributes:
        _stack: what all components share.
        _name: the stack's name.
        _child: the options of an ordinary child.
        _kept: the options of a child that a protected stack does not delete.
    """

    def __init__(self, kind: str, stack: StackContext, opts: pulumi.ResourceOptions | None = None) -> None:
        tagging = pulumi.ResourceOptions(transformations=[_tagging(stack.tags)])
        super().__init__(f"agentstream:infra:{kind}", stack.name, None, pulumi.ResourceOptions.merge(opts, tagging))
        self._stack = stack
        self._name = stack.name
        self._child = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=stack.protect)


def _tagging(tags: Mapping[str, str]) -> pulumi.ResourceTransformation:
    """Adds the tags to each resource that can have them: its class lists ``tags`` among its inputs, also when unset."""

    def add(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if "tags" not in args.props:
            return None
        own = pulumi.Output.from_input(args.props["tags"])
        merged = tags if args.props["tags"] is None else own.apply(lambda given: {**tags, **given})
        return pulumi.ResourceTransformationResult({**args.props, "tags": merged}, args.opts)

    return add

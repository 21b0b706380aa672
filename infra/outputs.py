"""Exports the stack's outputs: exactly those of `contract.StackOutputs`."""

from __future__ import annotations

from typing import Any

import pulumi

from contract import StackOutputs


def export(**values: pulumi.Input[Any] | None) -> None:
    """Export each output of `StackOutputs`, given by its Python name; one that is None is left out.

    Raises:
        pulumi.RunError: when an output is not given, or is not in the contract.
    """
    fields = StackOutputs.model_fields
    missing = [str(field.alias) for name, field in fields.items() if name not in values]
    if missing:
        raise pulumi.RunError(
            f"The program does not export {', '.join(missing)}, which contract.StackOutputs declares: pass it in "
            "__main__.py, or None if this stack has none."
        )
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise pulumi.RunError(
            f"The program exports {', '.join(unknown)}, which contract.StackOutputs does not declare: add it there."
        )
    for name, field in fields.items():
        if values[name] is not None:
            pulumi.export(str(field.alias), values[name])

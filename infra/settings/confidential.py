"""Settings that may be stored encrypted (``pulumi config set --secret``), and the error for the others.

Pulumi decrypts a section for the program and reports only that something in it was encrypted. A *confidential* setting
is a secret in every resource that uses it, so it stays encrypted in the state. Any other setting would be in the state
in clear, which is not what its author expects, so it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.settings.describe import section_model


class Confidential:
    """Marks a setting of which every input and output is a secret: ``Annotated[str, CONFIDENTIAL]``."""


CONFIDENTIAL = Confidential()


def is_confidential(field: FieldInfo) -> bool:
    """Whether a setting stays a secret."""
    return any(isinstance(each, Confidential) for each in field.metadata)


def confidential_keys(root: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Every confidential setting of the sections below ``root``: section and key."""
    for section in root.model_fields.values():
        model = section_model(section.annotation)
        for field in model.model_fields.values() if model else ():
            if is_confidential(field):
                yield str(section.alias), str(field.alias)


def refusals(project: str, root: type[BaseModel], encrypted: Mapping[str, Any]) -> Iterator[str]:
    """The error for each encrypted section (or plain key) without a confidential setting in it."""
    known = list(confidential_keys(root))
    names = " and ".join(f"{section}.{key}" for section, key in known)
    for key, value in encrypted.items():
        held = value if isinstance(value, Mapping) else {}
        if not any(section == key and name in held for section, name in known):
            yield (
                f"{project}:{key} is stored as a secret, but its value would be in the state in clear: of all settings "
                f"only {names} stays encrypted; store it without --secret, and name an agent's own secrets by their "
                "ARNs under runtime.secrets."
            )

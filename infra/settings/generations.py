"""The generations of a generated secret that are in use, so that it can be rotated without refusing requests."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from infra.settings.base import Contradiction, Settings


class GenerationSettings(Settings):
    """The generation that is sent, and one that is accepted beside it. docs/security.md has the order of a rotation."""

    sent: int = Field(1, ge=1, le=9_999, description="The generation that is sent, and accepted.")
    also_accepted: int | None = Field(
        None, ge=1, le=9_999, description="Another generation that is accepted, during a rotation."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if self.also_accepted == self.sent:
            yield Contradiction(
                ("alsoAccepted", "sent"),
                f"generation {self.sent} is accepted already because it is sent",
                "name the next or the previous generation, or remove it",
            )

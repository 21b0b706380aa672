"""The settings of the bootstrap program, all checked before anything is declared."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pulumi

from bootstrap.documents import PARTS


class SettingsError(Exception):
    """The problems of the settings, one in each line."""


class Settings(NamedTuple):
    """The trusted repository, and the stacks that it deploys.

    Attributes:
        repository: ``owner/name`` on GitHub.
        project: the Pulumi project whose stacks are deployed.
        region: the stacks' Region.
        stacks: each stack's optional parts, by its name.
        hosted_zone_id: the zone whose records a stack with a domain or a website changes; empty for none.
        provider_arn: GitHub's OIDC provider, if the account has it already; empty to create it.
    """

    repository: str
    project: str
    region: str
    stacks: dict[str, list[str]]
    hosted_zone_id: str
    provider_arn: str

    @classmethod
    def load(cls) -> Settings:
        """Read and check them.

        Raises:
            SettingsError: with every problem.
        """
        config = pulumi.Config("bootstrap")
        given: Any = config.get_object("stacks")
        settings = cls(
            repository=config.get("repository") or "",
            project=config.get("project") or "agent-stream",
            region=pulumi.Config("aws").get("region") or "",
            stacks={"dev": [], "staging": [], "prod": []} if given is None else given,
            hosted_zone_id=config.get("hostedZoneId") or "",
            provider_arn=config.get("providerArn") or "",
        )
        problems = settings._problems()
        if problems:
            raise SettingsError("\n".join(problems))
        return settings

    def _problems(self) -> list[str]:
        found = []
        # A wildcard here would trust repositories that are not ours.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", self.repository):
            found.append(
                f"bootstrap:repository is {self.repository!r}: write owner/name, the only repository to trust."
            )
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", self.region):
            found.append(f"aws:region is {self.region!r}: write the Region of the stacks, such as us-east-1.")
        if not isinstance(self.stacks, dict) or not self.stacks:
            return [
                *found,
                "bootstrap:stacks must map each stack to a list of its parts, such as {dev: [], prod: [domain]}.",
            ]
        for stack, parts in self.stacks.items():
            unknown = sorted({*parts} - {*PARTS}) if isinstance(parts, list) else [str(parts)]
            if unknown:
                found.append(f"bootstrap:stacks.{stack} names {', '.join(unknown)}: known are {', '.join(PARTS)}.")
            elif not self.hosted_zone_id:
                found += [
                    f"bootstrap:stacks.{stack} has a {part}: set bootstrap:hostedZoneId, the zone to change."
                    for part in ("domain", "website")
                    if part in parts
                ]
        return found

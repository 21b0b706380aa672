"""Reads a stack's settings from Pulumi's configuration, whichever way it was set.

The engine passes a program its configuration in environment variables; the Automation API and unit tests call
`pulumi.runtime.set_all_config`. `pulumi.Config` reads both, but cannot list the keys, so unknown keys, which must be
refused, are read from the two stores behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pulumi
from pulumi.runtime import config as store


class Source(NamedTuple):
    """The configuration that a program was given.

    Attributes:
        values: each key with its namespace (``aws:region``, ``<project>:<section>``), each value as text; a structured
            one is JSON text.
        secret: the keys of which a part or all is stored encrypted.
    """

    values: Mapping[str, Any]
    secret: frozenset[str]


def read(project: str, known: Iterable[str]) -> Source:
    """The whole configuration; ``known`` are the keys of the project that a program reads."""
    values: dict[str, Any] = {**(store.get_config_env() or {}), **store.CONFIG.get()}
    for namespace, key in (("aws", "region"), *((project, key) for key in known)):
        value = pulumi.Config(namespace).get(key)
        if value is not None:
            values[f"{namespace}:{key}"] = value
    # A program that the engine starts has its secret keys in a variable, which is_config_secret does not read.
    secret = {*store.get_config_secret_keys_env(), *(key for key in values if store.is_config_secret(key))}
    return Source(values, frozenset(secret))

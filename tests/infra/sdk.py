"""What pulumi-aws's own classes say about a type: its inputs, what AWS computes, what gets a name."""

from __future__ import annotations

import importlib
import inspect
import warnings
from functools import cache
from typing import Any


@cache
def resource_class(type_: str) -> Any:
    """The class of a type token, ``aws:apigateway/stage:Stage``."""
    package, module, name = type_.split(":")
    folder = module.partition("/")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = importlib.import_module(f"pulumi_{package}" + ("" if folder == "index" else f".{folder}"))
    return getattr(found, name)


@cache
def computed(type_: str) -> tuple[str, ...]:
    """The outputs of a type, in the wire's spelling, its inputs among them."""
    return tuple(_wire_names(resource_class(type_)))


@cache
def takes_a_name(type_: str) -> str | None:
    """The input that Pulumi fills with the resource's name and a random end where it is left out; None for most."""
    if type_.endswith("/bucket:Bucket"):
        return "bucket"
    names = _wire_names(arguments(type_))
    optional = inspect.signature(arguments(type_).__init__).parameters
    return "name" if "name" in names and optional["name"].default is not inspect.Parameter.empty else None


@cache
def arguments(type_: str) -> Any:
    """The class of a type's inputs; it has a longer name where a type of that name is nested in them."""
    cls = resource_class(type_)
    own = importlib.import_module(cls.__module__)
    return getattr(own, f"{cls.__name__}InitArgs", None) or getattr(own, f"{cls.__name__}Args")


def _wire_names(cls: Any) -> list[str]:
    return [
        getattr(member.fget, "_pulumi_name", name)
        for name, member in inspect.getmembers(cls, lambda member: isinstance(member, property))
        if name not in ("urn", "id", "pulumi_resource_name", "pulumi_resource_type")
    ]

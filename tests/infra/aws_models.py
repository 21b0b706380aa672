"""From a declared resource to the request that creates it, by the shapes of AWS's own service models.

Pulumi's names are the API's in another case, with blocks of one where the API has a structure and plurals where it has
none. The shape says what is wanted, so most inputs find their place by themselves; `test_aws_models` names the
rest. Values are then checked against what the model knows: required members, types, enums, patterns and ranges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator


class Unplaced(Exception):  # noqa: N818 - it names what is left over
    """An input that has no place in the request."""


class Call(NamedTuple):
    """One API operation that a resource stands for.

    Attributes:
        service: botocore's name of the service.
        operation: its operation.
        rename: an input's name to the member's, where they differ by more than case; dotted for a member's member.
        convert: an input's name to a function that makes the member's value.
        supplied: members that the provider fills in from what the resource is called.
        only: when given, the inputs that this operation takes; the others belong to another call.
        leave: inputs that no operation takes, or that botocore's model does not know; each has its reason in the table.
    """

    service: str
    operation: str
    rename: Mapping[str, str] = {}
    convert: Mapping[str, Callable[[Any], Any]] = {}
    supplied: Callable[[str], dict[str, Any]] = lambda _name: {}
    only: frozenset[str] | None = None
    leave: frozenset[str] = frozenset()


@cache
def operation(service: str, name: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def request(call: Call, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The request's parameters.

    Raises:
        Unplaced: when an input finds no place in the operation's shape.
    """
    shape = operation(call.service, call.operation).input_shape
    assert isinstance(shape, StructureShape)
    parameters: dict[str, Any] = call.supplied(name)
    for key, value in inputs.items():
        # `region` says where the operation is called, not with what.
        if key in call.leave or (call.only is not None and key not in call.only) or key == "region" or value is None:
            continue
        converted = call.convert[key](value) if key in call.convert else value
        path = call.rename.get(key, key).split(".")
        holder = parameters
        inner: Any = shape
        for part in path[:-1]:
            holder = holder.setdefault(part, {})
            inner = inner.members[part]
        member = _member(inner, path[-1])
        placed = _shaped(inner.members[member], converted, key)
        holder[member] = {**holder.get(member, {}), **placed} if isinstance(placed, dict) else placed
    return parameters


def _member(shape: StructureShape, key: str) -> str:
    plain = {_plain(name): name for name in shape.members}
    for candidate in (_plain(key), _plain(key).removesuffix("s"), _plain(key) + "s"):
        if candidate in plain:
            return plain[candidate]
    raise Unplaced(f"{key} is not among {', '.join(shape.members)}")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _shaped(shape: Shape, value: Any, key: str) -> Any:
    if isinstance(shape, StructureShape):
        if "Quantity" in shape.members:  # CloudFront's lists
            return _counted(shape, {"items": value} if isinstance(value, list) else value, key)
        (block,) = value if isinstance(value, list) else (value,)
        return {
            (member := _member(shape, name)): _shaped(shape.members[member], item, f"{key}.{name}")
            for name, item in block.items()
            if item is not None
        }
    if isinstance(shape, ListShape):
        if isinstance(value, dict) and {"Key", "Value"} <= set(getattr(shape.member, "members", {})):
            value = [{"key": name, "value": item} for name, item in value.items()]  # tags
        items = value if isinstance(value, list) else [value]
        return [_shaped(shape.member, item, key) for item in items]
    if isinstance(shape, MapShape):
        return {name: _shaped(shape.value, item, f"{key}.{name}") for name, item in value.items()}
    return value


def _counted(shape: StructureShape, value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A structure that says beside its items how many they are."""
    made = {
        (member := _member(shape, name)): _shaped(shape.members[member], item, f"{key}.{name}")
        for name, item in value.items()
    }
    return {**made, "Quantity": len(made.get("Items", ()))}


def complaints(call: Call, parameters: Mapping[str, Any]) -> list[str]:
    """What AWS would refuse, as far as its model says."""
    shape = operation(call.service, call.operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(dict(parameters), shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(_constraints(shape, parameters, call.operation))


def _constraints(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Enums, patterns and upper bounds, which botocore itself leaves to the service."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _constraints(shape.members[name], item, f"{path}.{name}")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        yield from _bounded(shape, len(value), path)
        for item in value:
            yield from _constraints(shape.member, item, f"{path}[]")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        yield from _bounded(shape, len(value), path)
        for name, item in value.items():
            yield from _constraints(shape.key, name, f"{path}.key")
            yield from _constraints(shape.value, item, f"{path}.{name}")
    elif isinstance(value, str):
        yield from _text(shape, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _bounded(shape, value, path)


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _bounded(shape, len(value), path)
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_python_pattern(pattern), value):
        yield f"{path}: {value[:80]!r} does not match {pattern}"


def _bounded(shape: Any, size: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path}: {size} is not between {low} and {high}"


def _python_pattern(pattern: str) -> str:
    """A pattern of a service model, which is written for Java, in Python's syntax."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{M}", ""), (r"\p{S}", r"\W"), (r"\p{N}", r"\d"), (r"\p{P}", r"\W")):
        pattern = pattern.replace(java, python)
    pattern = pattern.replace(r"\p{Z}", r"\s").replace(r"\p{ASCII}", r"\x00-\x7f").replace(r"\p{Graph}", r"\x21-\x7e")
    return pattern.replace(r"\p{Print}", r"\x20-\x7e").replace("[[", r"[\[")

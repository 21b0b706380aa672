"""The request validator: required parameters, and the body against its model.

A body whose content type has no model is not checked at all, as on AWS, unless a ``$default`` model is declared
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft4Validator, SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT4
from starlette.datastructures import Headers

from contract import Kind
from local.planes.gateway.responses import GatewayError
from local.program.graph import Graph, ProgramError, Resource

REPORTED = 5
"""At most this many problems of one body are reported; a body may have thousands."""


MESSAGES: Mapping[str, str] = {
    "required": "object has missing required properties ({missing})",
    "type": "instance type ({kind}) does not match any allowed primitive type (allowed: {kinds})",
    "minLength": "string {found} is too short (length: {length}, required minimum: {expected})",
    "maxLength": "string {found} is too long (length: {length}, maximum allowed: {expected})",
    "pattern": "ECMA 262 regex {expected} does not match input string {found}",
    "enum": "instance value ({found}) not found in enum (possible values: {expected})",
    "anyOf": "instance failed to match at least one required schema among {choices}",
    "not": "instance matched a schema which it should not have",
}


@dataclasses.dataclass(frozen=True, slots=True)
class RequestRules:
    """What a method's request validator requires.

    Attributes:
        models: a schema for each content type; ``$default`` for every other.
        required_headers: their names; a blank value counts as missing.
        required_query: the names of required query parameters; a blank value counts as missing.
    """

    models: Mapping[str, Draft4Validator]
    required_headers: tuple[str, ...]
    required_query: tuple[str, ...]

    def check(self, headers: Headers, query: Mapping[str, str], body: bytes) -> None:
        """Validate a request.

        Raises:
            GatewayError: when a parameter is missing or the body does not match the model.
        """
        missing = [name for name in self.required_headers if not headers.get(name, "").strip()]
        missing += [name for name in self.required_query if not query.get(name, "").strip()]
        if missing:
            raise GatewayError("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")
        media_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        model = self.models.get(media_type) or self.models.get("$default")
        if model is None:
            return
        try:
            value = json.loads(body)
            problems = [_message(error) for error in islice(model.iter_errors(value), REPORTED)]
        except (ValueError, RecursionError):
            raise GatewayError("BAD_REQUEST_BODY", reason="Could not parse request body into json") from None
        if problems:
            raise GatewayError("BAD_REQUEST_BODY", reason=f"[{', '.join(problems)}]")


def _message(error: ValidationError) -> str:
    """A problem in the words of API Gateway's validator, as far as its messages are known from public reports.

    The message repeats a string that violates a length, pattern or enum, so the model must not set one on text that a
    user writes.
    """
    found: Any = error.instance
    expected: Any = error.validator_value
    values = {
        "found": json.dumps(found, ensure_ascii=False),
        "kind": _kind(found),
        "length": len(found) if isinstance(found, str | list) else 0,
        "expected": json.dumps(expected),
        "kinds": json.dumps(expected if isinstance(expected, list) else [expected]),
        "missing": json.dumps([one for one in expected if one not in found] if error.validator == "required" else []),
        "choices": len(expected) if isinstance(expected, list) else 1,
    }
    default = f"instance does not match {error.validator} {{expected}}"
    return MESSAGES.get(str(error.validator), default).format(**values)


def _kind(value: Any) -> str:
    kinds = ("null", "boolean", "integer", "number", "string", "array", "object")
    return next(kind for kind in kinds if Draft4Validator.TYPE_CHECKER.is_type(value, kind))


def request_rules(method: Resource, graph: Graph) -> RequestRules | None:
    """The rules of a declared method's request validator; None when it has none."""
    validator_id = method.inputs.get("requestValidatorId")
    found = [one for one in graph.all("aws:apigateway/requestValidator:RequestValidator") if one.id == validator_id]
    if not found:
        return None
    validator: Mapping[str, Any] = found[0].inputs
    required = [name for name, needed in (method.inputs.get("requestParameters") or {}).items() if needed]
    if not validator.get("validateRequestParameters"):
        required = []
    names = method.inputs.get("requestModels") or {} if validator.get("validateRequestBody") else {}
    declared = {model.inputs["name"]: model for model in graph.all(Kind.MODEL)}
    return RequestRules(
        models={kind: _validator(declared[name]) for kind, name in names.items() if name in declared},
        required_headers=_of_kind(required, "header"),
        required_query=_of_kind(required, "querystring"),
    )


def _validator(model: Resource) -> Draft4Validator:
    """The validator of a declared model. API Gateway refuses an invalid schema, and nothing is fetched here.

    Raises:
        ProgramError: when the model is not a valid schema, or refers to another document.
    """
    try:
        schema = json.loads(model.inputs["schema"])
        Draft4Validator.check_schema(schema)
        resolver = Registry[Any]().with_resource("", DRAFT4.create_resource(schema)).resolver()
        for reference in _references(schema):
            resolver.lookup(reference)
    except (ValueError, SchemaError, Unresolvable) as error:
        reason = f"{error.ref} is not in it" if isinstance(error, Unresolvable) else str(error).partition("\n")[0]
        raise ProgramError(f"{model.name} cannot be served ({reason}): write one whole JSON schema.") from None
    return Draft4Validator(schema)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(part)


def _of_kind(parameters: list[str], kind: str) -> tuple[str, ...]:
    prefix = f"method.request.{kind}."
    return tuple(name.removeprefix(prefix) for name in parameters if name.startswith(prefix))

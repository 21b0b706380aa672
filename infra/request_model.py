"""The request model: a JSON schema that API Gateway checks before a microVM is started.

A body is an AG-UI ``RunAgentInput`` (https://docs.ag-ui.com), a ``prompt`` alone, or about an existing run or thread:
``attach``, ``stop`` or ``history``. The schema is one flat object, so that the error names the member that is wrong,
and no stricter than the agent, which checks everything again and in full (agent/request.py). Optional members of the
protocol that are not listed are allowed, because later versions add more.

The caller gets the validator's own message, which repeats a string that violates a length, pattern or enum. So none of
these is set on text that a user writes: a prompt is never sent back in a header.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from contract import SESSION_ID_LENGTH
from infra.settings.api import SessionFrom

EVERY_CONTENT_TYPE = "$default"
"""A model under ``application/json`` alone would leave a body of any other content type unchecked."""

FORMS = ("prompt", "messages", "attach", "stop", "history")
"""A body has one of these members."""


def schema(session_from: SessionFrom) -> dict[str, Any]:
    """The schema, in the draft that API Gateway supports.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html
    """
    id_ = {"type": "string", "minLength": 1}
    optional_list = {"type": ["array", "null"]}
    about_a_run = {"type": "object", "properties": {"runId": {"type": ["string", "null"]}}}
    properties: dict[str, Any] = {
        "prompt": {"type": "string", "minLength": 1},
        "threadId": {"type": ["string", "null"]},
        "runId": {"type": ["string", "null"]},
        "messages": {
            "type": ["array", "null"],  # AG-UI's Go SDK writes null where it has none
            "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}},
        },
        "tools": optional_list,
        "context": optional_list,
        "resume": optional_list,
        "attach": about_a_run,
        "stop": about_a_run,
        "history": {"type": "object"},
    }
    whole: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "Invocation",
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": [form]} for form in FORMS],
    }
    if session_from == "thread":
        least, most = SESSION_ID_LENGTH
        # It becomes a header's value, so only printable ASCII. The pattern has no `$`, which in some dialects of
        # regular expressions matches before a final line break.
        properties["threadId"] = {**id_, "minLength": least, "maxLength": most, "not": {"pattern": "[^!-~]"}}
        whole["required"] = ["threadId"]
    return whole


def request_model(
    name: str, api_id: pulumi.Output[str], session_from: SessionFrom, opts: pulumi.ResourceOptions
) -> tuple[aws.apigateway.Model, aws.apigateway.RequestValidator]:
    """Declare the model, and the validator that refuses what does not match it."""
    model = aws.apigateway.Model(
        f"{name}-invocation",
        rest_api=api_id,
        name="Invocation",  # letters and digits only
        description="A question, or a word about a run that is there already.",
        content_type="application/json",
        schema=json.dumps(schema(session_from)),
        opts=opts,
    )
    validator = aws.apigateway.RequestValidator(
        f"{name}-body",
        rest_api=api_id,
        name="body",
        validate_request_body=True,
        validate_request_parameters=False,
        opts=opts,
    )
    return model, validator

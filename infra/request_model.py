"""Which bodies reach the agent: a JSON schema that API Gateway checks before a microVM is woken.

As strict as it can be without refusing what the agent would take: the short form has one key; of an AG-UI
``RunAgentInput`` (https://docs.ag-ui.com) the required members are checked, and the protocol's optional ones, which
grow, are left open. The agent checks everything again and in full (agent/request.py).
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.settings.runtime import RuntimeSettings

EVERY_CONTENT_TYPE = "$default"
"""A model under ``application/json`` alone would leave a body of any other content type unchecked."""

# A system or developer message is the operator's word; the agent refuses one from a caller.
ROLES = ["user", "assistant", "tool", "reasoning", "activity"]
ID_LENGTH = 256


def schema(settings: RuntimeSettings) -> dict[str, Any]:
    """The schema, in the draft that API Gateway knows.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html
    """
    id_ = {"type": "string", "minLength": 1, "maxLength": ID_LENGTH}
    message = {
        "type": "object",
        "required": ["role"],
        "properties": {"role": {"enum": ROLES}, "id": {"type": "string", "maxLength": ID_LENGTH}},
    }
    short = {
        "type": "object",
        "required": ["prompt"],
        "additionalProperties": False,
        "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": settings.max_prompt_chars}},
    }
    run_agent_input = {
        "type": "object",
        "required": ["threadId", "runId", "messages"],
        "properties": {
            "threadId": id_,
            "runId": id_,
            "messages": {"type": "array", "minItems": 1, "maxItems": settings.max_messages, "items": message},
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "Invocation",
        "oneOf": [short, run_agent_input],
    }


def request_model(
    name: str, api_id: pulumi.Output[str], settings: RuntimeSettings, opts: pulumi.ResourceOptions
) -> tuple[aws.apigateway.Model, aws.apigateway.RequestValidator]:
    """Declare the model and the validator that holds a method to it."""
    model = aws.apigateway.Model(
        f"{name}-invocation",
        rest_api=api_id,
        name="Invocation",  # letters and digits only
        description="An AG-UI RunAgentInput, or a prompt.",
        content_type="application/json",
        schema=json.dumps(schema(settings)),
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

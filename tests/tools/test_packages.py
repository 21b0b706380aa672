"""Which packages may go: never one that an endpoint serves or is being moved to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from client.errors import ClientError
from tools.packages import packages

NOW = datetime(2026, 11, 26, tzinfo=UTC)
RUNTIME = "agent_stream_prod-0123456789"
BUCKET = "agent-stream-prod-code"


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = botocore.session.get_session().create_client(
        service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    return client, Stubber(client)


def version(number: str, key: str | None) -> dict[str, Any]:
    code = {"code": {"s3": {"bucket": BUCKET, "prefix": key}}, "runtime": "PYTHON_3_13", "entryPoint": ["main.py"]}
    image = {"containerConfiguration": {"containerUri": "1.dkr.ecr.us-east-1.amazonaws.com/x@sha256:0"}}
    return {
        "agentRuntimeArn": f"arn:aws:bedrock-agentcore:us-east-1:000000000000:agent/{RUNTIME}:{number}",
        "agentRuntimeName": "agent_stream_prod",
        "agentRuntimeId": RUNTIME,
        "agentRuntimeVersion": number,
        "agentRuntimeArtifact": {"codeConfiguration": code} if key else image,
        "createdAt": NOW,
        "lastUpdatedAt": NOW,
        "roleArn": "arn:aws:iam::000000000000:role/x",
        "networkConfiguration": {"networkMode": "PUBLIC"},
        "status": "READY",
        "lifecycleConfiguration": {},
    }


def endpoint(name: str, live: str, target: str | None = None) -> dict[str, Any]:
    arn = f"arn:aws:bedrock-agentcore:us-east-1:000000000000:agentEndpoint/{name}"
    return {
        "name": name,
        "liveVersion": live,
        **({"targetVersion": target} if target else {}),
        "agentRuntimeEndpointArn": arn,
        "agentRuntimeArn": arn,
        "status": "READY",
        "id": name,
        "createdAt": NOW,
        "lastUpdatedAt": NOW,
    }


def test_what_no_endpoint_needs_and_is_a_day_old_may_go() -> None:
    control, answers = stubbed("bedrock-agentcore-control")
    answers.add_response("get_agent_runtime", version("4", "agent-4.zip"), {"agentRuntimeId": RUNTIME})
    listed = {"runtimeEndpoints": [endpoint("live", "2", "3")]}
    answers.add_response("list_agent_runtime_endpoints", listed, {"agentRuntimeId": RUNTIME})
    served = {"2": "agent-2.zip", "3": "agent-3.zip"}
    s3, objects = stubbed("s3")
    ages = {"agent-1.zip": 90, "agent-2.zip": 60, "agent-3.zip": 30, "agent-4.zip": 10, "agent-5.zip": 0.5}
    contents = [{"Key": key, "Size": 1, "LastModified": NOW - timedelta(days=age)} for key, age in ages.items()]
    objects.add_response("list_objects_v2", {"Contents": contents}, {"Bucket": BUCKET, "Prefix": "agent-"})

    def of_version(params: dict[str, Any], **_: Any) -> None:
        number = params.get("agentRuntimeVersion")
        if number:
            answers.add_response("get_agent_runtime", version(number, served.pop(number)))

    control.meta.events.register_first("provide-client-params.*.GetAgentRuntime", of_version)
    with answers, objects:
        bucket, found = packages(RUNTIME, control, s3, now=NOW)
    assert bucket == BUCKET
    assert {each.key: each.kept for each in found} == {
        "agent-1.zip": "",
        "agent-2.zip": "an endpoint serves it",
        "agent-3.zip": "an endpoint serves it",
        "agent-4.zip": "an endpoint serves it",
        "agent-5.zip": "uploaded in the last day",
    }


def test_a_runtime_of_an_image_has_no_packages() -> None:
    control, answers = stubbed("bedrock-agentcore-control")
    answers.add_response("get_agent_runtime", version("1", None))
    with answers, pytest.raises(ClientError, match="lifecycle rule"):
        packages(RUNTIME, control, None, now=NOW)

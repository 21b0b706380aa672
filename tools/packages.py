"""Lists the packages in a stack's bucket that no endpoint of the runtime needs, and deletes them with ``--delete``.

``python -m tools.packages --stack prod [--delete] [--profile NAME]``. A package is needed while an endpoint serves, or
is being moved to, a runtime version with that package. A package that was uploaded in the last day is kept too, because
a deployment may be running. Running sessions have loaded theirs already.

Reads ``bedrock-agentcore-control`` (GetAgentRuntime, ListAgentRuntimeEndpoints) and ``s3:ListBucket``; deletes objects.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from client.commands.target import find_outputs
from client.errors import ClientError
from client.outputs import Outputs

YOUNG = timedelta(days=1)


class Package(NamedTuple):
    """One package: its key, its size in bytes, and why it is kept; empty if it is not needed."""

    key: str
    size: int
    kept: str


def packages(runtime_id: str, control: Any, s3: Any, *, now: datetime) -> tuple[str, list[Package]]:
    """The bucket, and every package in it.

    Args:
        runtime_id: of the stack's runtime.
        control: a client of ``bedrock-agentcore-control``.
        s3: a client of ``s3``.
        now: with a time zone.

    Raises:
        ClientError: when the runtime has an image; ECR's lifecycle rule deletes old images.
    """
    latest = control.get_agent_runtime(agentRuntimeId=runtime_id)
    bucket, _ = _code(latest)
    needed = {key for _, key in map(_code, _versions(runtime_id, control, latest))}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="agent-")
    found = [
        Package(each["Key"], each["Size"], _why(each["Key"], each["LastModified"], needed, now))
        for page in pages
        for each in page.get("Contents", [])
    ]
    return bucket, found


def _versions(runtime_id: str, control: Any, latest: Any) -> Iterator[Any]:
    """The latest version, which DEFAULT serves, and each that another endpoint serves or is being moved to."""
    yield latest
    for page in control.get_paginator("list_agent_runtime_endpoints").paginate(agentRuntimeId=runtime_id):
        for endpoint in page["runtimeEndpoints"]:
            for version in {endpoint.get("liveVersion"), endpoint.get("targetVersion")} - {None}:
                yield control.get_agent_runtime(agentRuntimeId=runtime_id, agentRuntimeVersion=version)


def _code(runtime: Any) -> tuple[str, str]:
    code = runtime["agentRuntimeArtifact"].get("codeConfiguration")
    if code is None:
        raise ClientError("The runtime has an image, not a package: ECR's lifecycle rule deletes old images.")
    at = code["code"]["s3"]
    return at["bucket"], at["prefix"]


def _why(key: str, uploaded: datetime, needed: set[str], now: datetime) -> str:
    if key in needed:
        return "an endpoint serves it"
    return "uploaded in the last day" if now - uploaded < YOUNG else ""


def main(arguments: Sequence[str]) -> int:
    """List the packages, and with ``--delete`` delete those that are not needed; 1 after an error."""
    parser = argparse.ArgumentParser(prog="python -m tools.packages", description=__doc__.partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", help="As in Pulumi.<stack>.yaml.")
    which.add_argument("--outputs", type=Path, help="A file that `pulumi stack output --json` wrote.")
    parser.add_argument("--profile", help="The AWS profile to sign with.")
    parser.add_argument("--delete", action="store_true", help="Delete packages that are not needed.")
    options = parser.parse_args(arguments)
    try:
        outputs: Outputs = find_outputs(stack=options.stack, local=False, file=options.outputs)
        _prune(outputs, options.profile, delete=options.delete)
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _prune(outputs: Outputs, profile: str | None, *, delete: bool) -> None:
    import boto3  # noqa: PLC0415 - slow to import, and not needed for a wrong argument
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.exceptions import ClientError as RefusedError  # noqa: PLC0415

    session = boto3.Session(profile_name=profile, region_name=outputs.region)
    try:
        control, s3 = session.client("bedrock-agentcore-control"), session.client("s3")
        bucket, found = packages(outputs.runtime_id, control, s3, now=datetime.now(UTC))
        for each in found:
            print(f"{each.size / 1e6:8.1f} MB  {each.key}  {each.kept or ('deleted' if delete else 'not needed')}")
            if delete and not each.kept:
                s3.delete_object(Bucket=bucket, Key=each.key)
    except (BotoCoreError, RefusedError) as error:
        raise ClientError(f"AWS refused to list or delete the packages: {error}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Edits of the program's own sources, each of which undoes one mechanism, and who notices.

``python -m tests.policy.source_edits``, run in a copy of the project, makes one edit after the other, evaluates the
production stack as a first preview would (whatever AWS computes is unknown) and as ``python -m local check`` does
(everything known), and prints which guard rails fail where, as JSON. A process of its own, because the program's
modules are loaded anew for each edit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from local import ROOT


class SourceEdit(NamedTuple):
    """An edit of one file, and the guard rail that is to notice.

    Attributes:
        file: relative to the project.
        old: what stands there once.
        new: what stands there then.
        rule: the guard rail's name.
        unknown: in a first preview what it looks at is still unknown, for the runtime's id, the account's number or an
            ARN is in it: Pulumi asks it again before the resource is made.
    """

    file: str
    old: str
    new: str
    rule: str
    unknown: bool = False


STREAM = "response_transfer_mode=self._settings.response_transfer_mode,"
TIMEOUT = "timeout_milliseconds=self._settings.timeout_seconds * 1000,"
PINNED = 'identity_validation_expression=pulumi.Output.concat("^", identity.client_id, "$"),'
ALLOWED = '"allowed_audiences": [identity.client_id],'
FORWARDED = 'request_header_configuration={"request_header_allowlists": forwarded},'

EDITS: dict[str, SourceEdit] = {
    "the transfer mode's line removed": SourceEdit("infra/api.py", STREAM, "", "stream-to-agentcore"),
    "BUFFERED": SourceEdit("infra/api.py", STREAM, 'response_transfer_mode="BUFFERED",', "stream-to-agentcore"),
    "HTTP in place of HTTP_PROXY": SourceEdit(
        "infra/api.py", 'type="HTTP_PROXY"', 'type="HTTP"', "stream-to-agentcore"
    ),
    "the timeout's line removed": SourceEdit("infra/api.py", TIMEOUT, "", "timeout-is-raised"),
    "a timeout of 29 s": SourceEdit("infra/api.py", TIMEOUT, "timeout_milliseconds=29_000,", "timeout-is-raised"),
    "/chat": SourceEdit("infra/runtime.py", "self.id, ROUTE", 'self.id, "/chat"', "invocations-address", unknown=True),
    "an address by ARN": SourceEdit(
        "infra/runtime.py",
        "self.id, ROUTE",
        "self.arn, ROUTE",
        "invocations-address",
        unknown=True,
    ),
    "no qualifier": SourceEdit(
        "infra/header_mapping.py",
        '"integration.request.querystring.qualifier": pulumi.Output.concat("\'", runtime.qualifier, "\'"),',
        "",
        "invocations-address",
    ),
    "the endpoint's version removed": SourceEdit(
        "infra/runtime.py",
        "agent_runtime_version=runtime.agent_runtime_version,",
        "",
        "endpoint-follows-the-runtime",
    ),
    "an open method": SourceEdit(
        "infra/api.py", 'authorization="COGNITO_USER_POOLS",', 'authorization="NONE",', "id-token-required"
    ),
    "scopes, so access tokens": SourceEdit(
        "infra/api.py",
        'authorization="COGNITO_USER_POOLS",',
        'authorization="COGNITO_USER_POOLS", authorization_scopes=["openid"],',
        "id-token-required",
    ),
    "tokens of any client": SourceEdit("infra/api.py", PINNED, "", "app-client-pinned"),
    "no audience at the runtime": SourceEdit("infra/runtime.py", ALLOWED, "", "runtime-agrees"),
    "the audience misspelt": SourceEdit(
        "infra/runtime.py", '"allowed_audiences"', '"allowed_audience"', "runtime-agrees"
    ),
    "client ids at the runtime": SourceEdit(
        "infra/runtime.py", ALLOWED, ALLOWED.replace("allowed_audiences", "allowed_clients"), "runtime-agrees"
    ),
    "the token not forwarded": SourceEdit("infra/runtime.py", FORWARDED, "", "token-reaches-agent"),
    "no access log": SourceEdit(
        "infra/api.py",
        'access_log_settings={"destination_arn": log.arn, "format": access_log.log_format()},',
        "",
        "logs-on",
    ),
    "the token in the web ACL's log": SourceEdit(
        "infra/web_acl.py",
        'redacted_fields=[{"single_header": {"name": header}} for header in headers],',
        "",
        "no-secret-in-logs",
    ),
    "the web ACL on no stage": SourceEdit(
        "infra/firewall.py", "resource_arn=stage_arn,", "resource_arn=acl.arn,", "web-acl-on-stage", unknown=True
    ),
    "no throttle": SourceEdit("infra/api.py", '"throttling_rate_limit": rate,', "", "throttled"),
    "every model": SourceEdit(
        "infra/permissions.py",
        'allow("Models", actions, [of_account(place, arn) for arn in named])',
        'allow("Models", actions, ["*"])',
        "least-privilege",
    ),
    "shells not denied": SourceEdit(
        "infra/resource_policy.py", "if for_everyone else []", "if False else []", "questions-only", unknown=True
    ),
}
"""By what somebody did."""


@contextmanager
def edited(edit: SourceEdit, root: Path) -> Iterator[None]:
    """The file with the edit, and as it was afterwards."""
    path = root / edit.file
    kept = path.read_text(encoding="utf-8")
    assert kept.count(edit.old) == 1, f"{edit.old!r} stands {kept.count(edit.old)} times in {edit.file}"
    path.write_text(kept.replace(edit.old, edit.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(kept, encoding="utf-8")


def judged() -> dict[str, list[str]]:
    """The guard rails that fail for the program as it is now, by when they are asked."""
    from local.program.evaluate import evaluate, read_settings  # noqa: PLC0415 - after the paths are known
    from local.program.provider import MockProvider  # noqa: PLC0415
    from tests.policy.stacks import (  # noqa: PLC0415
        as_inputs,
        broken,
        broken_by_itself,
        declared,
        evaluated_first_preview,
    )

    for name in [each for each in sys.modules if each.partition(".")[0] == "infra"]:
        del sys.modules[name]
    preview = evaluated_first_preview("prod")
    known = evaluate("prod", MockProvider("us-east-1"), settings=read_settings("prod"))
    return {
        "in a first preview": sorted({*broken_by_itself(as_inputs(preview)), *broken(declared(preview))}),
        "before it is made": sorted(broken_by_itself(as_inputs(known))),
        "by local check": sorted(broken(declared(known))),
    }


def main() -> int:
    """Judge every edit; the copy is as it was afterwards."""
    found = {"nothing": judged()}
    for name, edit in EDITS.items():
        with edited(edit, ROOT):
            found[name] = judged()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes docs/permissions.md from the map of permissions: ``python -m bootstrap.reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bootstrap.documents import AGENT_AT_MOST, PARTS, documents, is_reading, needed, reading, statements
from bootstrap.permissions import NEEDED, NEEDS_NOTHING, Grant

PAGE = Path(__file__).resolve().parent.parent / "docs" / "permissions.md"

NAMES = {
    "PROJECT": "agent-stream",
    "STACK_": "agent_stream_prod",
    "STACK": "agent-stream-prod",
    "REGION": "us-east-1",
    "ACCOUNT": "123456789012",
}

HEAD = """\
# Permissions of the deploying roles

The permissions that deploying a stack needs, by resource type. [bootstrap/](../bootstrap/README.md) creates a role with
them for each stack, and one that only reads. This page is made from
[bootstrap/permissions.py](../bootstrap/permissions.py) by `python -m bootstrap.reference`; a test keeps it current, and
fails when a stack declares a type that is not on it.

Tests check against AWS's service models that every action exists, and that the call which creates each type is among
its actions. The calls that read, change and delete were reviewed against the Terraform provider that Pulumi's is made
from. **None of it was tried on AWS**: expect to add an action or two on the first deployment (`AccessDenied` names
it), and open an issue for it.

`STACK` is the project and the stack, such as `agent-stream-prod`, with which every name begins; `STACK_` is the same
with underscores. Where AWS gives a random id (REST APIs, user pools, security groups, web ACL associations) no pattern
can name the stack, so a deploying role may change another stack's: keep production in an account of its own.

## What a role cannot do

- Be assumed by anyone but a job of one GitHub environment of one repository, for an hour at a time.
- Create a role that may do more than the boundary below: creating a role, and giving one permissions, is allowed only
  with that boundary on it. Set its ARN in each stack as `permissionsBoundary` under `agent-stream:runtime`.
- Pass a role to a service other than AgentCore and API Gateway (`iam:PassRole`).
- Change the deploying roles, their policies, the boundary, or the OIDC provider: they have a path of their own.
- Read another project's state. The role of one stack can read its project's other stacks', whose secrets are encrypted
  with the same key.

The reading role reads configuration, secrets included: the origin secret is in the API's definition and in the
runtime's variables. Its user could bypass the API; hence an environment `preview` with a reviewer.
"""


def sizes() -> Iterator[str]:
    """The sizes of the roles."""
    yield "## Sizes"
    yield ""
    yield "| role | actions | statements | managed policies |"
    yield "|---|---|---|---|"
    cases: list[tuple[str, list[Grant]]] = [("every stack", needed([]))]
    cases += [(f"… with `{part}`", needed([part])) for part in PARTS]
    cases += [
        ("… with all of them", needed(PARTS)),
        ("the one that reads", reading()),
        ("the boundary", [*AGENT_AT_MOST]),
    ]
    for label, grants in cases:
        made = statements(grants, NAMES)
        actions = {action for grant in grants for action in grant.actions}
        yield f"| {label} | {len(actions)} | {len(made)} | {len(documents(made))} |"
    yield ""
    yield "AWS allows ten managed policies of 6,144 characters for a role."


def types() -> Iterator[str]:
    """One row for each grant of each type."""
    yield "## By resource type"
    yield ""
    yield "Reading actions, which the reading role has too, are *slanted*."
    yield ""
    yield "| type | actions | on |"
    yield "|---|---|---|"
    for type_, grants in NEEDED.items():
        for number, grant in enumerate(grants):
            shown = f"`{type_}`" if number == 0 else ""
            yield f"| {shown} | {_actions(grant)} | {_resources(grant)} |"
    for type_, why in NEEDS_NOTHING.items():
        yield f"| `{type_}` | none: {why} | |"


def boundary() -> Iterator[str]:
    """The most that a stack's own role may do."""
    yield "## The boundary"
    yield ""
    yield "| actions | on |"
    yield "|---|---|"
    for grant in AGENT_AT_MOST:
        yield f"| {_actions(grant, slanted=False)} | {_resources(grant)} |"


def _actions(grant: Grant, *, slanted: bool = True) -> str:
    return " ".join(f"*{each}*" if slanted and is_reading(each) else each for each in grant.actions)


def _resources(grant: Grant) -> str:
    shown = "<br>".join(f"`{resource}`" for resource in grant.resources)
    conditions = "; ".join(
        f"{key} {' or '.join(value) if isinstance(value, list) else value}"
        for test in grant.conditions.values()
        for key, value in test.items()
    )
    return f"{shown}<br>only with {conditions}" if conditions else shown


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *sizes(), "", *boundary(), "", *types(), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

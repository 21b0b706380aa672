"""Makes the declared user pool exist in the emulator, and a demo user in it, in a process of its own.

``python -m local.provision STACK ENDPOINT [GRAPH]`` prints ``{"graph": …, "user": [name, password] | null}``. Apart,
because Pulumi keeps its state in the process and its imports are of no use to the supervisor.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local.evaluate import ROOT, evaluate, read_settings
from local.graph import Answer, Graph, ProgramError
from local.processes import bare_environment
from local.provider import EmulatorProvider

DEMO_USERNAME = "demo@example.com"

REFUSED = 2
"""The exit code of a process that explained itself in a sentence."""


class Provisioned(NamedTuple):
    """A graph whose user pool exists, and a user who can sign in to it."""

    graph: Graph
    username: str
    password: str


async def provision(
    stack: str, endpoint: str, *, served: Path | None = None, user: tuple[str, str] | None = None
) -> Provisioned:
    """Evaluate a stack against the emulator at ``endpoint``, which may still be starting.

    Args:
        stack: the stack's name.
        endpoint: the emulator's address.
        served: a graph that was provisioned before; what is declared as it was there is kept.
        user: the demo user that was made with it.

    Raises:
        ProgramError: with a sentence about what is at fault.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.provision", stack, endpoint, *([str(served)] if served else [])),
        cwd=ROOT,
        env=bare_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode == REFUSED:
        raise ProgramError(complaint.decode(errors="replace").strip())
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise ProgramError(f"The program failed ({last}): run `python -m local.evaluate {stack}` to see where.")
    result = json.loads(output)
    username, password = result["user"] or user or ("", "")
    return Provisioned(Graph.from_json(result["graph"]), username, password)


class KeepingProvider:
    """Answers as before for a user pool, client or domain that is declared as before; creates the others anew."""

    def __init__(self, provider: EmulatorProvider, served: Graph) -> None:
        self._provider = provider
        self._known = {
            (one.type, one.name): one for one in served.resources if one.type.startswith("aws:cognito/") and one.id
        }

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> Answer:
        """See `local.graph.Provider`."""
        known = self._known.get((type_, name))
        if known is not None and known.inputs == inputs:
            return known.id, dict(known.outputs)
        return self._provider.create(type_, name, inputs)


def main(arguments: list[str]) -> int:
    """Provision, print the result; `REFUSED` and a sentence on standard error when that cannot be done."""
    stack, endpoint, *served = arguments
    try:
        emulator = EmulatorProvider(endpoint, read_settings(stack).get("aws:region", ""))
        before = Graph.from_json(Path(served[0]).read_text(encoding="utf-8")) if served else None
        graph = evaluate(stack, KeepingProvider(emulator, before) if before else emulator)
        pool = graph.one("aws:cognito/userPool:UserPool").id
        known = before is not None and before.one("aws:cognito/userPool:UserPool").id == pool
        user = None if known else (DEMO_USERNAME, _create_demo_user(emulator, pool))
    except ProgramError as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(json.dumps({"graph": graph.to_json(), "user": user}))
    return 0


def _create_demo_user(provider: EmulatorProvider, pool: str) -> str:
    """A user with a new password each time; the policy's four kinds of characters come first."""
    password = f"Aa1!{secrets.token_urlsafe(18)}"
    provider.cognito.admin_create_user(
        UserPoolId=pool,
        Username=DEMO_USERNAME,
        UserAttributes=[{"Name": "email", "Value": DEMO_USERNAME}, {"Name": "email_verified", "Value": "true"}],
        MessageAction="SUPPRESS",
    )
    provider.cognito.admin_set_user_password(UserPoolId=pool, Username=DEMO_USERNAME, Password=password, Permanent=True)
    return password


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

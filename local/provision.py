"""Makes the declared user pool exist in the emulator, and a demo user in it, in a process of its own.

``python -m local.provision STACK ENDPOINT`` prints ``{"graph": …, "demoUsername": …, "demoPassword": …}``. Apart,
because Pulumi keeps its state in the process and its imports are of no use to the supervisor.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from typing import NamedTuple

from local.evaluate import ROOT, evaluate, read_settings
from local.graph import Graph, ProgramError
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


async def provision(stack: str, endpoint: str) -> Provisioned:
    """Evaluate a stack against the emulator at ``endpoint``, which may still be starting.

    Raises:
        ProgramError: with a sentence about what is at fault.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.provision", stack, endpoint),
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
    return Provisioned(Graph.from_json(result["graph"]), result["demoUsername"], result["demoPassword"])


def main(arguments: list[str]) -> int:
    """Provision, print the result; `REFUSED` and a sentence on standard error when that cannot be done."""
    stack, endpoint = arguments
    try:
        provider = EmulatorProvider(endpoint, read_settings(stack).get("aws:region", ""))
        graph = evaluate(stack, provider)
        password = _create_demo_user(provider, graph.one("aws:cognito/userPool:UserPool").id)
    except ProgramError as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(json.dumps({"graph": graph.to_json(), "demoUsername": DEMO_USERNAME, "demoPassword": password}))
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

"""Creates the declared user pool in the emulator, and a demo user in it, in a process of its own.

``python -m local.run.provision [MODULE ...]`` imports those modules of the AWS provider, reads one line of JSON
(``stack``, ``endpoint``, ``page``, ``served``) and prints ``{"graph": …, "user": [name, password] | null}``, or
``{"refused": sentence}``, as its last line. In a process of its own, because Pulumi keeps global state and the
supervisor does not need its imports; driven by a line on standard input, so that a warm process can wait with its
seconds of imports done.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local import ROOT
from local.processes.child import bare_environment, die_with_parent
from local.program.evaluate import evaluate, read_settings
from local.program.graph import Graph, MockedOutputs, ProgramError
from local.program.provider import EmulatorProvider
from local.run.outputs import check_outputs

DEMO_USERNAME = "demo@example.com"

PROVISION_SECONDS = 60.0
"""A program that has not ended after this long is stopped; a slow and busy machine needs far less."""


class Provisioned(NamedTuple):
    """A graph whose user pool exists, and a user who can sign in to it."""

    graph: Graph
    username: str
    password: str


class Provisioner:
    """A process that provisions once. Close it if it is not used."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, modules: Sequence[str] = ()) -> Provisioner:
        """Start the process; it imports these modules of the AWS provider ahead of time."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.run.provision", *modules),
            cwd=ROOT,
            env=bare_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        return cls(process)

    async def provision(
        self,
        stack: str,
        endpoint: str,
        *,
        page: str | None = None,
        served: Path | None = None,
        user: tuple[str, str] | None = None,
    ) -> Provisioned:
        """Evaluate a stack against the emulator at ``endpoint``, which may still be starting.

        Args:
            stack: the stack's name.
            endpoint: the emulator's address.
            page: the local page's address, to which the login page may send a browser back.
            served: the file of a graph that was provisioned before; its user pool, client and domain are updated.
            user: the demo user that was created with it.

        Raises:
            ProgramError: with a message that names the cause.
        """
        request = json.dumps(
            {"stack": stack, "endpoint": endpoint, "page": page, "served": str(served) if served else None}
        )
        try:
            async with asyncio.timeout(PROVISION_SECONDS):
                output, errors = await self._process.communicate(f"{request}\n".encode())
        except TimeoutError:
            raise ProgramError(
                f"The program did not end within {PROVISION_SECONDS:g} s: run "
                f"`python -m local.program.evaluate {stack}` and see what it waits for."
            ) from None
        finally:
            await self.close()
        text = errors.decode(errors="replace").strip()
        if self._process.returncode:
            last = text.rpartition("\n")[2] or f"exit code {self._process.returncode}, no message"
            raise ProgramError(
                f"The program failed ({last}): run `python -m local.program.evaluate {stack}` to see where."
            )
        if text:
            print(text, file=sys.stderr)  # what the program printed
        result = json.loads(output.splitlines()[-1])
        if "refused" in result:
            raise ProgramError(result["refused"])
        username, password = result["user"] or user or ("", "")
        return Provisioned(Graph.from_json(result["graph"]), username, password)

    async def close(self) -> None:
        """Kill the process and those it started: one of them may hold its output open, and `wait` would not return."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


class UpdatingProvider:
    """Updates a user pool, client or domain that exists already, and creates the others."""

    def __init__(self, provider: EmulatorProvider, served: Graph) -> None:
        self._provider = provider
        self._known = {
            (one.type, one.name): one for one in served.resources if one.type.startswith("aws:cognito/") and one.id
        }

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        """See `local.program.graph.Provider`."""
        known = self._known.get((type_, name))
        return self._provider.update(known, inputs) if known else self._provider.create(type_, name, inputs)


def main(modules: list[str]) -> int:
    """Provision as the line on standard input says, and print the result or the error."""
    for name in modules:
        with contextlib.suppress(ImportError):  # `aws:lambda/...` is in `lambda_`, which the program imports later
            hasattr(
                importlib.import_module(f"pulumi_aws.{name}"), "__all__"
            )  # reading an attribute makes a lazy module load
    line = sys.stdin.readline()
    if not line:
        return 0  # the supervisor has closed the pipe
    request = json.loads(line)
    stack, endpoint, served = request["stack"], request["endpoint"], request["served"]
    try:
        emulator = EmulatorProvider(endpoint, read_settings(stack).get("aws:region", ""), page=request["page"])
        before = Graph.from_json(Path(served).read_text(encoding="utf-8")) if served else None
        graph = evaluate(stack, UpdatingProvider(emulator, before) if before else emulator)
        check_outputs(graph)
        pool = graph.one("aws:cognito/userPool:UserPool").id
        known = before is not None and before.one("aws:cognito/userPool:UserPool").id == pool
        user = None if known else (DEMO_USERNAME, create_demo_user(emulator, pool))
    except ProgramError as error:
        print(json.dumps({"refused": str(error)}))
        return 0
    print(json.dumps({"graph": graph.to_json(), "user": user}))
    return 0


def create_demo_user(provider: EmulatorProvider, pool: str) -> str:
    """Create the demo user; return its new password: all four kinds of characters, as long as a policy may require."""
    password = f"Aa1!{secrets.token_urlsafe(72)}"
    provider.cognito.admin_create_user(
        UserPoolId=pool,
        Username=DEMO_USERNAME,
        UserAttributes=[{"Name": "email", "Value": DEMO_USERNAME}, {"Name": "email_verified", "Value": "true"}],
        TemporaryPassword=password,  # the emulator's own may be too short for the policy
        MessageAction="SUPPRESS",
    )
    provider.cognito.admin_set_user_password(UserPoolId=pool, Username=DEMO_USERNAME, Password=password, Permanent=True)
    return password


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``doctor``: finds what is broken, in which layer, and what to change."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from client.commands import loop
from client.commands.target import INTERRUPTED, AsJson, File, Local, Stack, account_of, command, find_outputs
from client.connection import connect
from client.doctor.aws_deployment import AwsDeployment
from client.doctor.check import Check, CheckContext, Result
from client.doctor.checks import CHECKS
from client.doctor.facts import Fact, check_facts
from client.doctor.local_deployment import LocalDeployment
from client.doctor.report import Report
from client.doctor.runner import examine, outputs_failure, unexpected
from client.errors import ClientError, OutputsError, UsageError
from client.outputs import Outputs
from client.signin import Tokens
from client.terminal import say

COULD_NOT_CHECK = 2

NAMES = ", ".join(check.name for check in CHECKS)


def names_beginning(incomplete: str) -> list[str]:
    """Return the checks whose names start with this prefix."""
    return [check.name for check in CHECKS if check.name.startswith(incomplete)]


@command
def doctor(  # noqa: PLR0917 - typer passes every one by name
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Run only these checks: {NAMES}.", autocompletion=names_beginning, metavar="CHECK"),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Skip these checks.", autocompletion=names_beginning, metavar="CHECK"),
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also wait past the idle limit (5 minutes on AWS).")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Continue after the first broken layer.")] = False,
    origin: Annotated[str, typer.Option(help="Origin of the page that calls the API.")] = "",
    profile: Annotated[str | None, typer.Option(help="The AWS profile for reading the deployment.")] = None,
    unconfirmed: Annotated[
        bool,
        typer.Option("--unconfirmed", help="Instead, test AWS behaviour that AWS does not document."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Diagnose a stack, layer by layer. Exit code 0: all is well. 1: a finding. 2: a check was inconclusive."""
    if unconfirmed:
        _print_facts(find_outputs(stack=stack, local=local, file=file), origin, profile, as_json=as_json)
        return
    report = Report(as_json=as_json)
    code, message = None, ""
    try:
        checks = choose(only or [], skip or [])
        if origin and not re.fullmatch(r"https?://[!-.0-~]+", origin):
            raise UsageError(f"--origin {origin} is not a valid origin: pass one such as https://page.example.")
        outputs = find_outputs(stack=stack, local=local, file=file)
        loop.run(
            diagnose(
                outputs,
                checks,
                slow=slow,
                keep_going=keep_going,
                origin=origin,
                profile=profile,
                starting=report.starting,
                done=report.done,
            )
        )
    except OutputsError as error:
        if error.faulty:
            # Missing or invalid outputs are a finding of the first check, whichever checks were chosen.
            for result in outputs_failure(CHECKS, error):
                report.done(result)
        else:
            code, message = COULD_NOT_CHECK, str(error)
    except ClientError as error:
        # Not 1: this is not a finding about the stack.
        code, message = COULD_NOT_CHECK, str(error)
    except KeyboardInterrupt:
        code, message = INTERRUPTED, f"Interrupted: {len(report.results)} of {len(checks)} checks were completed."
    except Exception as error:  # noqa: BLE001 - a bug of the doctor is not a finding about the stack
        code, message = COULD_NOT_CHECK, unexpected(error)
    raise typer.Exit(report.end(code, message))


def choose(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Return the chosen checks, in their order.

    Raises:
        UsageError: when a name is unknown, or no check is left: an empty report would look like a healthy stack.
    """
    names = [check.name for check in CHECKS]
    unknown = sorted({*only, *skip} - {*names})
    if unknown:
        raise UsageError(f"There is no check named {', '.join(unknown)}: the checks are {', '.join(names)}.")
    chosen = [check for check in CHECKS if (not only or check.name in only) and check.name not in skip]
    if not chosen:
        raise UsageError("No check is left to run: change --only or --skip.")
    return chosen


async def diagnose(
    outputs: Outputs,
    checks: Sequence[Check] = CHECKS,
    *,
    slow: bool = False,
    keep_going: bool = False,
    origin: str = "",
    profile: str | None = None,
    starting: Callable[[Check], None] = lambda _check: None,
    done: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Run the checks and return one result for each."""
    async with _context(outputs, origin, profile) as context:
        context.slow = slow
        return await examine(context, checks, keep_going=keep_going, starting=starting, done=done)


@asynccontextmanager
async def _context(outputs: Outputs, origin: str, profile: str | None) -> AsyncIterator[CheckContext]:
    account = account_of(outputs)
    deployment = (
        LocalDeployment(outputs.folder, outputs.rest_api_id, outputs.route)
        if outputs.is_local and outputs.folder
        else AwsDeployment(outputs, profile)
    )

    async def sign_in() -> Tokens:
        return await asyncio.to_thread(account.tokens)

    async with connect(outputs, most=200) as http:
        yield CheckContext(outputs, deployment, http, sign_in, origin=origin)


def _print_facts(outputs: Outputs, origin: str, profile: str | None, *, as_json: bool) -> None:
    """Print each fact with the observation. Exit code 1 when one is refuted, 2 when one is open."""

    async def run() -> list[Fact]:
        async with _context(outputs, origin, profile) as context:
            return await check_facts(context)

    facts = loop.run(run())
    where = "a local run, which says nothing about AWS" if outputs.is_local else outputs.source
    if as_json:
        print(json.dumps({"seenOn": where, "facts": [dataclasses.asdict(fact) for fact in facts]}))
    else:
        for fact in facts:
            say(f"{fact.verdict:<9}  {fact.text} ({fact.page})")
            say(f"           {fact.seen}")
        say(f"Seen on {where}.")
    verdicts = {fact.verdict for fact in facts}
    if code := 1 if "refuted" in verdicts else COULD_NOT_CHECK if "open" in verdicts else 0:
        raise typer.Exit(code)

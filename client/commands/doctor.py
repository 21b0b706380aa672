"""``doctor``: what is broken, in which layer, and what to change."""

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
from client.doctor.facts import Fact, look
from client.doctor.local_deployment import LocalDeployment
from client.doctor.report import Report
from client.doctor.runner import examine, refuse, unforeseen
from client.errors import ClientError, OutputsError, UsageError
from client.outputs import Outputs
from client.signin import Tokens
from client.terminal import say

COULD_NOT_CHECK = 2

NAMES = ", ".join(check.name for check in CHECKS)


def names_beginning(incomplete: str) -> list[str]:
    """The checks whose names begin so."""
    return [check.name for check in CHECKS if check.name.startswith(incomplete)]


@command
def doctor(  # noqa: PLR0917 - typer passes every one by name
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Make only these checks: {NAMES}.", autocompletion=names_beginning, metavar="CHECK"),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Leave these checks out.", autocompletion=names_beginning, metavar="CHECK"),
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also wait past the idle limit (5 minutes on AWS).")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on after the first broken layer.")] = False,
    origin: Annotated[str, typer.Option(help="Origin of the page that calls the API.")] = "",
    profile: Annotated[str | None, typer.Option(help="The AWS profile to read the deployment with.")] = None,
    unconfirmed: Annotated[
        bool,
        typer.Option("--unconfirmed", help="Instead: what AWS does where its documents are silent."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a stack, layer by layer. Exit code 0: well. 1: a finding. 2: something could not be checked."""
    if unconfirmed:
        _tell_of_facts(find_outputs(stack=stack, local=local, file=file), origin, profile, as_json=as_json)
        return
    report = Report(as_json=as_json)
    code, message = None, ""
    try:
        checks = choose(only or [], skip or [])
        if origin and not re.fullmatch(r"https?://[!-.0-~]+", origin):
            raise UsageError(
                f"--origin {origin} is not an origin that a browser sends: give one such as https://page.example."
            )
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
            # Outputs that lack one are a finding, and of the first check whichever were chosen.
            for result in refuse(CHECKS, error):
                report.done(result)
        else:
            code, message = COULD_NOT_CHECK, str(error)
    except ClientError as error:
        # Not 1: nothing was found out about the stack.
        code, message = COULD_NOT_CHECK, str(error)
    except KeyboardInterrupt:
        code, message = INTERRUPTED, f"Interrupted: {len(report.results)} of {len(checks)} checks were made."
    except Exception as error:  # noqa: BLE001 - a mistake of the doctor's own is no finding about the stack
        code, message = COULD_NOT_CHECK, unforeseen(error)
    raise typer.Exit(report.end(code, message))


def choose(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """The checks to make, in their order.

    Raises:
        UsageError: when one is named that there is not, or none is left: that would look like a stack without a
            fault.
    """
    names = [check.name for check in CHECKS]
    unknown = sorted({*only, *skip} - {*names})
    if unknown:
        raise UsageError(f"There is no check {', '.join(unknown)}: there are {', '.join(names)}.")
    chosen = [check for check in CHECKS if (not only or check.name in only) and check.name not in skip]
    if not chosen:
        raise UsageError("There is no check to make: --only and --skip leave none.")
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
    """Examine a stack and return one result for every check."""
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


def _tell_of_facts(outputs: Outputs, origin: str, profile: str | None, *, as_json: bool) -> None:
    """Print each fact with what was seen of it. Exit code 1 when one is refuted, 2 when one is open."""

    async def run() -> list[Fact]:
        async with _context(outputs, origin, profile) as context:
            return await look(context)

    facts = loop.run(run())
    where = "a local run, which says nothing of AWS" if outputs.is_local else outputs.source
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

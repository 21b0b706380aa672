"""``doctor``: what is broken, in which layer, and what to change."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.connection import connect
from client.doctor.aws_deployment import AwsDeployment
from client.doctor.check import Check, Patient, Result
from client.doctor.checks import CHECKS
from client.doctor.local_deployment import LocalDeployment
from client.doctor.runner import AFTER_A_FINDING, examine, exit_code
from client.errors import ClientError, UsageError
from client.outputs import Outputs
from client.signin import Tokens

COULD_NOT_CHECK = 2

SIGNS = {"ok": "[green]ok[/]", "finding": "[red bold]broken[/]", "unknown": "[yellow]?[/]", "skipped": "[dim]-[/]"}


@command
def doctor(  # noqa: PLR0917 - typer passes every one by name
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    only: Annotated[list[str] | None, typer.Option(help="Make only these checks.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave these checks out.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also wait past the idle limit (5 minutes on AWS).")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on after the first broken layer.")] = False,
    origin: Annotated[str, typer.Option(help="Origin of the page that calls the API.")] = "",
    profile: Annotated[str | None, typer.Option(help="The AWS profile to read the deployment with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Examine a stack, layer by layer. Exit code 0: well. 1: a finding. 2: something could not be checked."""
    try:
        checks = choose(only or [], skip or [])
        outputs = find_outputs(stack=stack, local=local, file=file)
    except ClientError as error:
        # Not 1: nothing was found out about the stack.
        typer.echo(json.dumps({"message": str(error)}) if as_json else str(error), err=not as_json)
        raise typer.Exit(COULD_NOT_CHECK) from None
    console = Console(highlight=False)
    with console.status("") if console.is_terminal and not as_json else _NoStatus() as status:
        results = asyncio.run(
            diagnose(
                outputs,
                checks,
                slow=slow,
                keep_going=keep_going,
                origin=origin,
                profile=profile,
                starting=lambda check: status.update(check.question),
            )
        )
    if as_json:
        print(json.dumps({"exitCode": exit_code(results), "checks": [dataclasses.asdict(one) for one in results]}))
    else:
        _print(console, results)
    raise typer.Exit(exit_code(results))


def choose(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """The checks to make, in their order.

    Raises:
        UsageError: when one is named that there is not.
    """
    names = [check.name for check in CHECKS]
    unknown = sorted({*only, *skip} - {*names})
    if unknown:
        raise UsageError(f"There is no check {', '.join(unknown)}: there are {', '.join(names)}.")
    return [check for check in CHECKS if (not only or check.name in only) and check.name not in skip]


async def diagnose(
    outputs: Outputs,
    checks: Sequence[Check] = CHECKS,
    *,
    slow: bool = False,
    keep_going: bool = False,
    origin: str = "",
    profile: str | None = None,
    starting: Callable[[Check], None] = lambda _check: None,
) -> list[Result]:
    """Examine a stack and return one result for every check."""
    account = account_of(outputs)
    deployment = (
        LocalDeployment(outputs.folder) if outputs.is_local and outputs.folder else AwsDeployment(outputs, profile)
    )

    async def sign_in() -> Tokens:
        return await asyncio.to_thread(account.tokens)

    async with connect(outputs, most=200) as http:
        patient = Patient(outputs, deployment, http, sign_in, origin=origin)
        return await examine(patient, checks, slow=slow, keep_going=keep_going, starting=starting)


class _NoStatus:
    """Stands in for a progress line where there is no terminal to draw it on."""

    def __enter__(self) -> _NoStatus:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, _text: str) -> None:
        """Show nothing."""


def _print(console: Console, results: Sequence[Result]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for result in results:
        if result.status != "skipped":
            table.add_row(SIGNS[result.status], _lines(result))
        elif not result.seen.startswith(AFTER_A_FINDING):
            table.add_row(SIGNS["skipped"], f"[bold]{result.name}[/]  [dim]{escape(result.seen)}[/]")
    behind = [result.name for result in results if result.seen.startswith(AFTER_A_FINDING)]
    if behind:
        table.add_row(
            SIGNS["skipped"], f"[dim]not made, for a request meets what is broken before:[/] {', '.join(behind)}"
        )
    console.print(table)
    verdict = ("All is well.", "Something is broken.", "Nothing broken was found, but not everything could be checked.")
    console.print(f"\n{verdict[exit_code(results)]} ({sum(result.seconds for result in results):.1f} s)")


def _lines(result: Result) -> str:
    """A result as text: what was checked, what was seen, and of a finding all that helps."""
    lines = [f"[bold]{result.name}[/]  {result.question}  [dim]{result.seconds:.1f} s[/]", escape(result.seen)]
    lines += [f"[yellow]not looked at:[/] {escape(missing)}" for missing in result.not_looked_at]
    if result.status == "finding":
        lines += [
            f"[bold]why it matters:[/] {escape(result.why)}",
            f"[bold]what to change:[/] {escape(result.change)}",
            f"[bold]read:[/] docs/troubleshooting.md#{result.name} and {result.page}",
        ]
    return "\n".join(lines)

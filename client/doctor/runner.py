"""Runs the checks in the order in which a request meets the layers, and stops at the first broken one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import httpx

from client.doctor.check import Check, CouldNotCheck, Finding, NeedsSignIn, Patient, Result, Status
from client.doctor.deployment import DeploymentUnavailable, NotDeployedError
from client.errors import ClientError, OutputsError

AFTER_A_FINDING = "not made"
"""How the reason of a check begins that was not made because an earlier one found something."""


NEEDS_SIGN_IN = "needs a sign-in"
"""What a check says that got as far as it could without a token."""

CHECK_SECONDS = 150.0
"""No check may take longer, but for the silence that it waits for: what takes longer hangs."""


async def examine(
    patient: Patient,
    checks: Sequence[Check],
    *,
    slow: bool = False,
    keep_going: bool = False,
    starting: Callable[[Check], None] = lambda _check: None,
    done: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """One result for every check.

    Args:
        patient: what is examined.
        checks: in their order.
        slow: make the slow checks too.
        keep_going: go on after a finding. What a later check then sees may be caused by the earlier finding.
        starting: is told of each check before it is made.
        done: is told of each result as it comes.
    """
    results: list[Result] = []
    broken = ""
    for check in checks:
        if broken and not keep_going:
            result = _skipped(check, f"{AFTER_A_FINDING}: a request meets {broken} before, and that is broken")
        elif check.slow and not slow:
            result = _skipped(check, "only with --slow: it takes as long as the idle limit")
        else:
            starting(check)
            result, stops = await _make(check, patient)
            broken = broken or (check.name if stops else "")
        results.append(result)
        done(result)
    return results


def exit_code(results: Collection[Result]) -> int:
    """0: all is well. 1: a finding. 2: no finding, but a check could not be made."""
    statuses = {result.status for result in results}
    return 1 if "finding" in statuses else 2 if "unknown" in statuses else 0


async def _make(check: Check, patient: Patient) -> tuple[Result, bool]:
    """A check's result, and whether what comes after it would only show its consequences."""
    started = time.monotonic()
    limit = CHECK_SECONDS
    if check.slow:
        limit += 2 * patient.outputs.idle_timeout_seconds / max(patient.outputs.time_scale, 1)
    stops = False
    try:
        async with asyncio.timeout(limit):
            seen = await check.run(patient)
        result = _result(check, "ok", seen.text, not_looked_at=tuple(seen.not_looked_at))
    except Finding as finding:
        stops = finding.stops
        why = finding.why or check.why
        result = _result(check, "finding", finding.seen, why=why, change=finding.change)
    except NotDeployedError as error:
        stops = True
        change = "Check restApiId and stageName among the outputs: run `pulumi up` and read them anew."
        result = _result(check, "finding", str(error), why=check.why, change=change)
    except Exception as error:  # noqa: BLE001 - a mistake of the doctor's own is no finding about the stack
        result = _result(check, "unknown", _why_unknown(error, limit))
    return dataclasses.replace(result, seconds=time.monotonic() - started), stops


def _why_unknown(error: Exception, limit: float) -> str:
    match error:
        case NeedsSignIn():
            return NEEDS_SIGN_IN
        case CouldNotCheck() | DeploymentUnavailable() | ClientError():
            return str(error)
        case httpx.HTTPError():
            return f"The network failed: {error or type(error).__name__}."
        case TimeoutError():
            return f"It was given up after {limit:.0f} s: something hangs that has begun to answer."
        case _:
            return unforeseen(error)


def unforeseen(error: Exception) -> str:
    """What to say of an exception that nobody thought of."""
    return f"The doctor itself failed ({type(error).__name__}: {error})."


def _skipped(check: Check, reason: str) -> Result:
    return _result(check, "skipped", reason)


def _result(check: Check, status: Status, seen: str, **more: Any) -> Result:
    return Result(check.name, check.question, status, seen, page=check.page, **more)


def refuse(checks: Sequence[Check], error: OutputsError) -> list[Result]:
    """The results where outputs are missing or wrong: a finding of the first check, and the others need them."""
    first, *others = checks
    change = "Run `pulumi up` and read the outputs anew; __main__.py exports them."
    found = _result(first, "finding", str(error), why=first.why, change=change)
    return [found, *(_skipped(one, f"{AFTER_A_FINDING}: it needs the outputs") for one in others)]

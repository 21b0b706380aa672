"""Runs the checks in the order in which a request meets the layers, and stops at the first broken one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import httpx

from client.doctor.check import Check, CheckContext, Fail, Inconclusive, NeedsSignIn, Result, Status
from client.doctor.deployment import DeploymentUnavailable, NotDeployedError
from client.errors import ClientError, OutputsError

AFTER_A_FINDING = "not made"
"""How the reason of a check begins that was not made because an earlier one found something."""


NEEDS_SIGN_IN = "needs a sign-in"
"""What a check says that got as far as it could without a token."""

NOT_THERE = "What the outputs name is not what answers: every later check would look at another stack."
NO_OUTPUTS = "Everything that talks to the stack starts from its outputs."

CHECK_SECONDS = 150.0
"""No check may take longer, but for the silence that it waits for: what takes longer hangs."""


async def examine(
    context: CheckContext,
    checks: Sequence[Check],
    *,
    keep_going: bool = False,
    starting: Callable[[Check], None] = lambda _check: None,
    done: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """One result for every check.

    Args:
        context: what is examined.
        checks: in their order.
        keep_going: go on after a finding. What a later check then sees may be caused by the earlier finding.
        starting: is told of each check before it is made.
        done: is told of each result as it comes.
    """
    results: list[Result] = []
    broken = ""
    try:
        for number, check in enumerate(checks):
            if broken and not keep_going:
                result = _skipped(check, f"{AFTER_A_FINDING}: a request meets {broken} before, and that is broken")
            else:
                starting(check)
                result, fatal = await _make(check, context)
                broken = broken or (check.name if fatal else "")
            results.append(result)
            done(result)
            for later in checks[number + 1 :]:
                later.prepare(context)
    finally:
        if context.silence is not None:
            context.silence.cancel()
    return results


def exit_code(results: Collection[Result]) -> int:
    """0: all is well. 1: a finding. 2: no finding, but a check could not be made."""
    statuses = {result.status for result in results}
    return 1 if "fail" in statuses else 2 if "inconclusive" in statuses else 0


async def _make(check: Check, context: CheckContext) -> tuple[Result, bool]:
    """A check's result, and whether what comes after it would only show its consequences."""
    started = time.monotonic()
    limit = CHECK_SECONDS
    if context.slow:
        limit += 2 * context.outputs.idle_timeout_seconds / max(context.outputs.time_scale, 1)
    fatal = False
    try:
        async with asyncio.timeout(limit):
            passed = await check.run(context)
        result = _result(check, "pass", passed.seen, not_checked=tuple(passed.not_checked), proposal=passed.proposal)
    except Fail as failure:
        fatal = failure.fatal
        result = _result(check, "fail", failure.seen, why=failure.why, change=failure.change)
    except NotDeployedError as error:
        fatal = True
        change = "Check restApiId and stageName among the outputs: run `pulumi up` and read them again."
        result = _result(check, "fail", str(error), why=NOT_THERE, change=change)
    except Exception as error:  # noqa: BLE001 - a mistake of the doctor's own is no finding about the stack
        result = _result(check, "inconclusive", _why_unknown(error, limit))
    return dataclasses.replace(result, seconds=time.monotonic() - started), fatal


def _why_unknown(error: Exception, limit: float) -> str:
    match error:
        case NeedsSignIn():
            return NEEDS_SIGN_IN
        case Inconclusive() | DeploymentUnavailable() | ClientError():
            return str(error)
        case httpx.HTTPError():
            return f"The network failed: {error or type(error).__name__}."
        case TimeoutError():
            return f"It was given up after {limit:.0f} s: something hangs that has begun to answer."
        case _:
            return unforeseen(error)


def unforeseen(error: Exception) -> str:
    """The sentence for an unexpected exception."""
    return f"The doctor itself failed ({type(error).__name__}: {error})."


def _skipped(check: Check, reason: str) -> Result:
    return _result(check, "skipped", reason)


def _result(check: Check, status: Status, seen: str, **more: Any) -> Result:
    return Result(check.name, check.question, status, seen, page=check.page, **more)


def refuse(checks: Sequence[Check], error: OutputsError) -> list[Result]:
    """The results where outputs are missing or wrong: a finding of the first check, and the others need them."""
    first, *others = checks
    change = "Run `pulumi up` and read the outputs again; __main__.py exports them."
    found = _result(first, "fail", str(error), why=NO_OUTPUTS, change=change)
    return [found, *(_skipped(one, f"{AFTER_A_FINDING}: it needs the outputs") for one in others)]

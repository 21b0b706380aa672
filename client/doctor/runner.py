"""Runs the checks in the order in which a request passes the layers, and stops at the first broken one."""

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

AFTER_A_FINDING = "skipped"
"""The beginning of the reason of a check that was skipped because an earlier one failed."""


NEEDS_SIGN_IN = "needs a sign-in"
"""The reason of a check that could not be completed without a token."""

NOT_THERE = "The outputs name a resource that does not exist: every later check would test another stack."
NO_OUTPUTS = "Every client of the stack starts from its outputs."

CHECK_SECONDS = 150.0
"""The time limit of a check, without the silence that it waits for."""


async def examine(
    context: CheckContext,
    checks: Sequence[Check],
    *,
    keep_going: bool = False,
    starting: Callable[[Check], None] = lambda _check: None,
    done: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Run the checks and return one result for each.

    Args:
        context: the stack under test.
        checks: the checks, in their order.
        keep_going: continue after a finding; later findings may be its consequences.
        starting: called before each check.
        done: called with each result.
    """
    results: list[Result] = []
    broken = ""
    try:
        for number, check in enumerate(checks):
            if broken and not keep_going:
                result = _skipped(check, f"{AFTER_A_FINDING}: the earlier layer {broken} is broken")
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
    """Return 0 if all checks passed, 1 for a finding, 2 for no finding but an inconclusive check."""
    statuses = {result.status for result in results}
    return 1 if "fail" in statuses else 2 if "inconclusive" in statuses else 0


async def _make(check: Check, context: CheckContext) -> tuple[Result, bool]:
    """Return a check's result, and whether it is fatal for the later checks."""
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
    except Exception as error:  # noqa: BLE001 - a bug of the doctor is not a finding about the stack
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
            return f"The check timed out after {limit:.0f} s: a response started and then hung."
        case _:
            return unexpected(error)


def unexpected(error: Exception) -> str:
    """Return the sentence for an unexpected exception."""
    return f"The doctor itself failed ({type(error).__name__}: {error})."


def _skipped(check: Check, reason: str) -> Result:
    return _result(check, "skipped", reason)


def _result(check: Check, status: Status, seen: str, **more: Any) -> Result:
    return Result(check.name, check.question, status, seen, page=check.page, **more)


def outputs_failure(checks: Sequence[Check], error: OutputsError) -> list[Result]:
    """Return the results when outputs are missing or invalid: the first check fails, the others are skipped."""
    first, *others = checks
    change = "Run `pulumi up` and read the outputs again; __main__.py exports them."
    found = _result(first, "fail", str(error), why=NO_OUTPUTS, change=change)
    return [found, *(_skipped(one, f"{AFTER_A_FINDING}: it needs the outputs") for one in others)]

"""Runs the checks in the order in which a request meets the layers, and stops at the first broken one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import httpx

from client.doctor.check import Check, CouldNotCheck, Finding, Patient, Result, Status
from client.doctor.deployment import DeploymentUnavailable
from client.errors import ClientError

AFTER_A_FINDING = "not made"
"""How the reason of a check begins that was not made because an earlier one found something."""


async def examine(
    patient: Patient,
    checks: Sequence[Check],
    *,
    slow: bool = False,
    keep_going: bool = False,
    starting: Callable[[Check], None] = lambda _check: None,
) -> list[Result]:
    """One result for every check.

    Args:
        patient: what is examined.
        checks: in their order.
        slow: make the slow checks too.
        keep_going: go on after a finding. What a later check then sees may be caused by the earlier finding.
        starting: is told of each check before it is made.
    """
    results: list[Result] = []
    broken = ""
    for check in checks:
        if broken and not keep_going:
            results.append(_skipped(check, f"{AFTER_A_FINDING}: a request meets {broken} before, and that is broken"))
        elif check.slow and not slow:
            results.append(_skipped(check, "only with --slow: it takes as long as the idle limit"))
        else:
            starting(check)
            results.append(await _make(check, patient))
            if results[-1].status == "finding" and not broken:
                broken = check.name
    return results


def exit_code(results: Collection[Result]) -> int:
    """0: all is well. 1: a finding. 2: no finding, but a check could not be made."""
    statuses = {result.status for result in results}
    return 1 if "finding" in statuses else 2 if "unknown" in statuses else 0


async def _make(check: Check, patient: Patient) -> Result:
    started = time.monotonic()

    def result(status: Status, seen: str, *, why: str = "", change: str = "", missing: Sequence[str] = ()) -> Result:
        return Result(
            check.name,
            check.question,
            status,
            seen,
            why=why,
            change=change,
            page=check.page,
            not_looked_at=tuple(missing),
            seconds=time.monotonic() - started,
        )

    try:
        seen = await check.run(patient)
    except Finding as finding:
        return result("finding", finding.seen, why=finding.why or check.why, change=finding.change)
    except (CouldNotCheck, DeploymentUnavailable, ClientError) as error:
        return result("unknown", str(error))
    except httpx.HTTPError as error:
        return result("unknown", f"The network failed: {error or type(error).__name__}.")
    return result("ok", seen.text, missing=seen.not_looked_at)


def _skipped(check: Check, reason: str) -> Result:
    return Result(check.name, check.question, "skipped", reason)

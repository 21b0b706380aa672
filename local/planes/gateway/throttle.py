"""Rate limits: the token buckets of the stage and its methods, and each team's usage plan.

A token bucket fills at ``rate`` a second up to ``burst``
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html).
"""

from __future__ import annotations

import dataclasses
import hmac
import time
from collections.abc import Callable, Mapping

from contract import Kind
from local.planes.gateway.responses import GatewayError
from local.program.graph import Graph, ProgramError

QUOTA_SECONDS = {"DAY": 86_400.0, "WEEK": 7 * 86_400.0, "MONTH": 30 * 86_400.0}
"""AWS's periods follow the calendar in UTC; here a period starts with the process."""


class Bucket:
    """A token bucket; full at first."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled = clock()

    def take(self) -> bool:
        """Take a token if there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Quota:
    """A number of requests for each period."""

    def __init__(self, limit: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._period = period
        self._clock = clock
        self._since = clock()
        self._used = 0

    def take(self) -> bool:
        """Count a request; whether it is within the quota."""
        if self._clock() - self._since >= self._period:
            self._since, self._used = self._clock(), 0
        self._used += 1
        return self._used <= self._limit


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A team's usage plan, and the API key that identifies the team."""

    key_id: str
    key: str
    bucket: Bucket | None
    quota: Quota | None


class Throttle:
    """All rate limits and quotas of a stage.

    Args:
        stage: rate and burst of each method without a bucket of its own; None where the stage has no limit.
        methods: buckets of single methods, by ``(path, HTTP method)``.
        plans: the teams' plans.
    """

    def __init__(
        self, stage: tuple[float, float] | None, methods: Mapping[tuple[str, str], Bucket], plans: tuple[Plan, ...]
    ) -> None:
        self._stage = stage
        self._methods = dict(methods)
        self._plans = plans

    def identify(self, key: str | None) -> Plan:
        """The plan that an API key belongs to.

        Raises:
            GatewayError: when there is no such key.
        """
        sent = (key or "").encode("utf-8", "surrogateescape")
        for plan in self._plans:
            if hmac.compare_digest(plan.key.encode(), sent):
                return plan
        raise GatewayError("INVALID_API_KEY", reason="no API key, or one without a plan")

    def admit(self, path: str, verb: str, plan: Plan | None) -> None:
        """Admit a request.

        Raises:
            GatewayError: when the plan's quota is used up, or a rate is exceeded.
        """
        if plan is not None and plan.quota is not None and not plan.quota.take():
            raise GatewayError("QUOTA_EXCEEDED", reason="the plan's quota is used up")
        if plan is not None and plan.bucket is not None and not plan.bucket.take():
            raise GatewayError("THROTTLED", reason="the plan's throttle")
        bucket = self._methods.get((path, verb))
        if bucket is None and self._stage is not None:
            bucket = self._methods[path, verb] = Bucket(*self._stage)
        if bucket is not None and not bucket.take():
            raise GatewayError("THROTTLED", reason="the stage's throttle")


def throttle_from_graph(graph: Graph) -> Throttle:
    """The limits that the graph declares. Its time scale applies to a quota's period; rates stay as declared."""
    stage: tuple[float, float] | None = None
    methods: dict[tuple[str, str], Bucket] = {}
    for declared in graph.all(Kind.METHOD_SETTINGS):
        settings = declared.inputs["settings"]
        rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
        if rate is None or burst is None or rate < 0:
            continue
        path, _, verb = declared.inputs["methodPath"].rpartition("/")
        if path == "*" and verb == "*":
            stage = (rate, burst)
        else:
            methods[f"/{path}", verb] = Bucket(rate, burst)
    return Throttle(stage, methods, tuple(_plans(graph)))


def _plans(graph: Graph) -> list[Plan]:
    """The usage plans of this stage, without disabled keys and keys that only have plans of other stages."""
    stage = graph.one(Kind.STAGE).inputs
    here = {"apiId": stage["restApi"], "stage": stage["stageName"]}
    keys = {key.id: key for key in graph.all("aws:apigateway/apiKey:ApiKey")}
    plans = {plan.id: plan for plan in graph.all("aws:apigateway/usagePlan:UsagePlan")}
    found = []
    for link in graph.all("aws:apigateway/usagePlanKey:UsagePlanKey"):
        key, plan = keys[link.inputs["keyId"]], plans[link.inputs["usagePlanId"]].inputs
        stages = [one for one in plan.get("apiStages") or () if here.items() <= one.items()]
        if not key.inputs.get("enabled", True) or not stages:
            continue
        if stages[0].get("throttles"):
            raise ProgramError(
                f"{plans[link.inputs['usagePlanId']].name} declares a throttle for single methods, which the "
                "local run does not serve; it serves one for the whole plan."
            )
        quota = plan.get("quotaSettings")
        found.append(
            Plan(
                key_id=key.id,
                key=str(key.outputs["value"]),
                bucket=_plan_bucket(plan.get("throttleSettings") or {}),
                quota=Quota(quota["limit"], QUOTA_SECONDS[quota["period"]] / graph.time_scale) if quota else None,
            )
        )
    return found


def _plan_bucket(throttle: Mapping[str, float]) -> Bucket | None:
    """A plan's token bucket. AWS does not document a rate without a burst; here the burst is one second's requests."""
    rate = throttle.get("rateLimit")
    return None if rate is None else Bucket(rate, throttle.get("burstLimit") or max(1.0, rate))

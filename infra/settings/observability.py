"""Settings of logs, alarms and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.base import Contradiction, Settings
from infra.settings.confidential import CONFIDENTIAL
from infra.settings.patterns import Pattern, web_address

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
Retention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


def _is_valid_address(text: str) -> None:
    if text.startswith("https://"):
        web_address(text)


SUBSCRIBER = Pattern(
    "an e-mail address or an https:// address",
    r"https://\S+|[!-?A-~]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,63}",
    why="SNS cannot reach it",
    check=_is_valid_address,
)


class ObservabilitySettings(Settings):
    """Logs, traces, alarms with their subscribers, and the dashboard."""

    log_retention_days: Retention = Field(30, description="How long each log group keeps its lines.")
    tracing: bool = Field(True, description="X-Ray traces of the API's stage.")
    dashboard: bool = Field(True, description="A CloudWatch dashboard; three an account are free.")
    alarms: bool = Field(True, description="The alarms and their SNS topic.")
    subscribers: Annotated[list[Annotated[str, SUBSCRIBER]], CONFIDENTIAL] = Field(
        [],
        max_length=20,
        description="E-mail addresses and https:// addresses to notify of alarms. Each must confirm. One with a token "
        "in it can be stored encrypted: pulumi config set --secret --path 'agent-stream:observability.subscribers[0]'.",
    )
    error_percent: float = Field(
        5,
        gt=0,
        le=100,
        description="Alarm: percentage of failures in five minutes, at least three: 5xx responses, requests that the "
        "agent did not answer, runs that ended in an error.",
    )
    first_content_milliseconds: int = Field(
        10_000, ge=100, le=900_000, description="Alarm: 95th percentile of the time to the first content."
    )
    blocked_requests: int = Field(100, ge=1, description="Alarm: requests that WAF blocks in five minutes.")
    authorizer_failures: int = Field(
        50,
        ge=1,
        description="Alarm: requests without a valid token in five minutes; many mean an attack or a bad release.",
    )
    runtime_throttles: int = Field(
        1, ge=1, description="Alarm: requests that AgentCore throttles (429) in five minutes."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if self.subscribers and not self.alarms:
            yield Contradiction(
                ("subscribers", "alarms"),
                "alarms is false, so subscribers would never be notified",
                "write alarms: true, or remove subscribers",
            )

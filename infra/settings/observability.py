"""Settings of logs, alarms and the dashboard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from infra.settings.base import Settings, impossible

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
Retention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class ObservabilitySettings(Settings):
    """What is kept, what raises an alarm, and who hears of it."""

    log_retention_days: Retention = Field(30, description="How long each log group keeps its lines.")
    tracing: bool = Field(True, description="X-Ray traces of the API's stage.")
    dashboard: bool = Field(True, description="A CloudWatch dashboard; three an account are free.")
    alarms: bool = Field(True, description="The alarms and their SNS topic.")
    subscribers: list[str] = Field(
        [], max_length=20, description="E-mail addresses and https:// addresses that hear of alarms. Each must confirm."
    )
    error_percent: float = Field(5, gt=0, le=100, description="Alarm: share of answers that are 5xx, in five minutes.")
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
        1, ge=1, description="Alarm: requests that AgentCore refuses as too many, in five minutes."
    )

    @field_validator("subscribers")
    @classmethod
    def _can_be_reached(cls, value: list[str]) -> list[str]:
        for subscriber in value:
            if not (subscriber.startswith("https://") or subscriber.count("@") == 1):
                raise impossible(f"SNS cannot reach {subscriber!r}", "write an e-mail address or an https:// address")
        return value

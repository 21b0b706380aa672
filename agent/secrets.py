"""The secrets of an author's agent: read once at start-up into the environment, never into a log or Pulumi's state.

AGENT_SECRETS maps environment variables to ARNs of Secrets Manager secrets or SSM parameters; the runtime's role may
read exactly these. A variable that is already set is kept: a developer's machine has no such role.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from agent.settings import Settings, SettingsError, as_settings_error

__all__ = ["resolve_secrets"]


def resolve_secrets(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variable of every secret in `settings`. Blocks.

    Raises SettingsError with the variable's name when a secret cannot be read.
    """
    for name, arn in settings.secrets.items():
        if name in environment:
            continue
        with as_settings_error(f"The secret of {name} ({arn})"):
            environment[name] = _read(name, arn, settings)


def _read(name: str, arn: str, settings: Settings) -> str:
    parts = arn.split(":", 5)
    service, region = (parts[2], parts[3]) if len(parts) == 6 and parts[0] == "arn" else ("", "")
    if service not in _READERS:
        raise SettingsError(
            f"AGENT_SECRETS cannot be used: {name} must be the ARN of a Secrets Manager secret or of an SSM parameter."
        )
    from botocore.config import Config  # noqa: PLC0415 - an agent without secrets starts without it

    from agent.aws import session_for  # noqa: PLC0415

    session: Any = session_for(service, settings.model_copy(update={"region": region}))
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
    return str(_READERS[service](session.client(service, region_name=region, config=config), arn))


def _of_secrets_manager(client: Any, arn: str) -> str:
    answer: Mapping[str, Any] = client.get_secret_value(SecretId=arn)
    if "SecretString" not in answer:
        raise ValueError("it holds bytes, and an environment variable must be text")
    return str(answer["SecretString"])


def _of_ssm(client: Any, arn: str) -> str:
    return str(client.get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"])


_READERS = {"secretsmanager": _of_secrets_manager, "ssm": _of_ssm}

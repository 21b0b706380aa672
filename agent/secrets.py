"""The secrets of an author's agent: read once at the start, into the environment, never into a log or a state.

AGENT_SECRETS names them, a variable and the ARN of a Secrets Manager secret or an SSM parameter each; the runtime's
role may read exactly these. A variable that is set already stays: on a developer's machine there is no role to ask.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from agent.settings import Settings, SettingsError, making

__all__ = ["resolve_secrets"]


def resolve_secrets(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variable of every secret in `settings`. Blocks.

    Raises SettingsError with the variable's name when a secret cannot be read.
    """
    for name, arn in settings.secrets.items():
        if name in environment:
            continue
        with making(f"The secret of {name} ({arn})"):
            environment[name] = _read(name, arn, settings)


def _read(name: str, arn: str, settings: Settings) -> str:
    parts = arn.split(":", 5)
    service, region = (parts[2], parts[3]) if len(parts) == 6 and parts[0] == "arn" else ("", "")
    if service not in _READERS:
        raise SettingsError(
            f"AGENT_SECRETS cannot be used: {name} must be the ARN of a Secrets Manager secret or of an SSM parameter."
        )
    from botocore.config import Config  # noqa: PLC0415 - an agent without secrets need not wait for it

    from agent.aws import session_for  # noqa: PLC0415

    session: Any = session_for(service, settings.model_copy(update={"region": region}))
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
    return str(_READERS[service](session.client(service, region_name=region, config=config), arn))


def _of_secrets_manager(client: Any, arn: str) -> str:
    answer: Mapping[str, Any] = client.get_secret_value(SecretId=arn)
    if "SecretString" not in answer:
        raise ValueError("it holds bytes, and a variable is text")
    return str(answer["SecretString"])


def _of_ssm(client: Any, arn: str) -> str:
    return str(client.get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"])


_READERS = {"secretsmanager": _of_secrets_manager, "ssm": _of_ssm}

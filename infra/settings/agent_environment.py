"""Derives the agent's environment variables from the settings, and checks their size.

AgentCore limits the whole environment: 4 KB on platform V1, and on V2 1.5 KB for code and 2.5 KB for a container
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-how-it-works.html). So a variable whose value is
the agent's own default is left out; docs/agent.md has those defaults.
"""

from __future__ import annotations

from collections.abc import Iterator

from contract import AGENT_DEFAULTS
from infra.settings.base import Contradiction
from infra.settings.extras import as_variable, in_other_regions, size
from infra.settings.stack import StackSettings

# Bytes added at deployment: two generations of the origin secret, the memory's id, the listening address.
_ADDED_LATER = 300


def agent_environment(config: StackSettings) -> dict[str, str]:
    """The agent's variables by name; one without a value, or with the agent's own default, is left out."""
    runtime, api = config.runtime, config.api
    variables = {
        "AGENT_NAME": config.name,
        "AGENT_REGION": config.region,
        "AGENT_MODEL": runtime.model,
        "AGENT_OPENAI_BASE_URL": runtime.openai_base_url,
        "AGENT_GUARDRAIL_ID": runtime.guardrail_id,
        "AGENT_GUARDRAIL_VERSION": runtime.guardrail_version,
        "AGENT_GUARDRAIL_STREAM": runtime.guardrail_stream,
        "AGENT_MAX_TOKENS": str(runtime.max_tokens),
        "AGENT_MAX_PROMPT_CHARS": str(runtime.max_prompt_chars),
        "AGENT_MAX_MESSAGES": str(runtime.max_messages),
        "AGENT_MAX_BODY_BYTES": str(runtime.max_body_bytes),
        "AGENT_MEDIA_HOSTS": ",".join(runtime.media_hosts),
        "AGENT_KEEP_MEDIA": runtime.keep_media,
        "AGENT_TOOL_ERRORS": runtime.tool_errors,
        "AGENT_CALLER_HISTORY": runtime.caller_history,
        "AGENT_LOG_PROMPTS": "true" if runtime.log_prompts else "",
        "AGENT_SESSION_FROM": api.session_from,
        "AGENT_HEARTBEAT_SECONDS": f"{api.heartbeat_seconds:g}",
        "AGENT_CONNECTION_SECONDS": str(api.timeout_seconds),
        "AGENT_RUN_SECONDS": f"{config.run_seconds:g}",
        "AGENT_DETACHED_SECONDS": f"{config.detached_seconds:g}",
        "AGENT_KEEP_SECONDS": str(config.keep_seconds),
        "AGENT_WHEN_BUSY": runtime.when_busy,
        "AGENT_ALLOWED_ORIGIN": api.allowed_origin if api.agent_sends_cors else "",
    }
    return {name: value for name, value in variables.items() if value and AGENT_DEFAULTS.get(name) != value}


def environment_contradictions(config: StackSettings) -> Iterator[Contradiction]:
    """Contradictions of the agent's variables and secrets with the stack's Region, platform and artifact."""
    runtime = config.runtime
    for each in in_other_regions(runtime.secrets, config.region):
        yield each._replace(keys=tuple(key if key == "region" else f"runtime.{key}" for key in each.keys))
    limit = 4_096 if runtime.platform_version == "V1" else 1_536 if runtime.artifact == "code" else 2_560
    secrets = {"AGENT_SECRETS": as_variable(runtime.secrets)} if runtime.secrets else {}
    whole = size({**agent_environment(config), **runtime.environment, **secrets}) + _ADDED_LATER
    if whole > limit and (runtime.environment or runtime.secrets):
        key = "environment" if size(runtime.environment) >= size(secrets) else "secrets"
        yield Contradiction(
            (f"runtime.{key}", "runtime.platformVersion", "runtime.artifact"),
            f"the agent's variables come to about {whole} bytes, and AgentCore allows {limit}",
            "shorten it, or let the agent read the rest from one secret or parameter",
        )

"""Checks of AWS credentials, identifiers and Regions at start-up, for the model and the memory.

botocore accepts missing credentials, invalid identifiers and unknown Regions until the first call.
"""

from __future__ import annotations

import logging
import os
import re
from difflib import get_close_matches
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.loaders import Loader, create_loader
from botocore.utils import get_token_from_environment

from agent.settings import Settings, SettingsError

__all__ = ["check_pattern", "session_for"]

_logger = logging.getLogger(__name__)


def session_for(service: str, settings: Settings) -> boto3.Session:
    """Return a session that can sign calls to `service` (its signing name) in the region of `settings`.

    Blocks: in a container, finding credentials is an HTTP request. Raises SettingsError when there are none. For a
    Region that this version of botocore does not know, it only logs a warning: it may be a new one.
    """
    core = botocore.session.Session()
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    session = boto3.Session(botocore_session=core, region_name=settings.region)
    # Some services, such as Bedrock, accept an API key instead:
    # https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
    if session.get_credentials() is None and not get_token_from_environment(service, os.environ):
        raise SettingsError(
            f"There are no AWS credentials to call {service} with: give the process a role, or set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    partitions = core.get_data("partitions")["partitions"]
    regions = {region for partition in partitions for region in partition["regions"]}
    if settings.region not in regions:
        near = get_close_matches(str(settings.region), sorted(regions), n=1)
        _logger.warning(
            "AGENT_REGION (or AWS_REGION) is not a Region that botocore knows%s.",
            f": did you mean {near[0]}" if near else "",
        )
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """Return one loader of botocore's data for all sessions; its own would parse the endpoints again (100 ms)."""
    return create_loader(data_path)


def check_pattern(client: Any, operation: str, member: str, value: str, advice: str) -> None:
    """Raise SettingsError with `advice` unless `value` matches the pattern of `member` in `operation`'s input.

    The pattern comes from the service model of the boto3 `client`; botocore itself checks only lengths.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape.members[member]
    if not re.fullmatch(shape.metadata["pattern"], value):
        raise SettingsError(advice)

"""Refuses a change of the API's endpoint type while its access mode is STRICT.

API Gateway fixes the type while the endpoint access mode is STRICT
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html), and takes about 15
minutes to leave that mode. Only the engine knows the mode of the deployed API, so this is a resource hook: the engine
calls it before it updates the API, and in a preview too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


def endpoint_type_hook(name: str) -> pulumi.ResourceHookBinding:
    """A hook that refuses another endpoint type for an API that is STRICT; ``name`` is the stack's.

    Needs Pulumi 3.182 or newer.
    """
    hook = pulumi.ResourceHook(
        f"{name}-endpoint-type", refuse_another_type, pulumi.ResourceHookOptions(on_dry_run=True)
    )
    return pulumi.ResourceHookBinding(before_update=[hook])


def refuse_another_type(change: pulumi.ResourceHookArgs) -> None:
    """Compare the deployed with the declared type.

    Raises:
        pulumi.RunError: with the steps, when the type would change while the access mode is STRICT.
    """
    before, after = _type(change.old_inputs), _type(change.new_inputs)
    if before != after and (change.old_inputs or {}).get("endpointAccessMode") == "STRICT":
        raise pulumi.RunError(
            f"The API is {before} and strictHost holds it there, so it cannot become {after} in this step: write "
            "strictHost: false and deploy, wait 15 minutes until API Gateway has taken it, change endpointType and "
            "deploy, and then write strictHost: true again (docs/changes.md)."
        )


def _type(inputs: Mapping[str, Any] | None) -> Any:
    return (inputs or {}).get("endpointConfiguration", {}).get("types")

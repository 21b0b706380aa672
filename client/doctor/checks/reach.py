"""Check 1: the outputs, and the way to the API."""

from __future__ import annotations

import asyncio
import re
import socket
from urllib.parse import urlsplit

import httpx

from client.doctor.check import AG, Check, CouldNotCheck, Finding, Patient, Seen
from client.outputs import Outputs


class Reach(Check):
    """The outputs agree with each other, and DNS and TLS lead to the API."""

    name = "outputs"
    question = "the stack's outputs agree with each other, and the API answers at its address"
    why = "Everything that talks to the stack starts from its outputs."
    page = f"{AG}/how-to-call-api.html"
    slow = False

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        outputs = patient.outputs
        if problem := _inconsistency(outputs):
            raise Finding(problem, "Run `pulumi up` and read the outputs anew; __main__.py exports them.")
        address = await _resolve(outputs.invoke_url)
        try:
            # Without a token: whoever answers is what is asked here, and a refusal is an answer.
            answer = await patient.http.get(outputs.invoke_url, timeout=10)
        except httpx.ConnectError as error:
            raise Finding(
                f"{outputs.invoke_url} ({address}) takes no connection: {error}.",
                "Bring the chain up: `python -m local up`."
                if outputs.is_local
                else "Check the network and the certificate; a PRIVATE API answers only inside its VPC "
                "(api.endpointType).",
            ) from None
        except httpx.TransportError as error:
            raise CouldNotCheck(f"{outputs.invoke_url} broke the connection off: {error}") from None
        if answer.status_code in (200, 404) or answer.status_code >= 500:
            raise Finding(
                f"GET {outputs.invoke_url} answers {answer.status_code}, which API Gateway does not.",
                "Check invokeUrl and, with api.domain, the base path mapping in infra/domain.py.",
            )
        scheme = "TLS" if outputs.invoke_url.startswith("https:") else "no TLS, on loopback"
        return Seen(f"{len(outputs.model_fields_set)} outputs; {address} answers ({scheme})")


def _inconsistency(outputs: Outputs) -> str:
    """The first thing about the outputs that cannot be; empty when all is well."""
    needed = {
        "apiUrl": outputs.api_url,
        "runtimeUrl": outputs.runtime_url,
        "restApiId": outputs.rest_api_id,
        "stageName": outputs.stage_name,
        "discoveryUrl": outputs.discovery_url,
    }
    missing = [name for name, value in needed.items() if not value]
    runtime_path = urlsplit(outputs.runtime_url).path
    rules = (
        (not missing, f"Outputs are missing: {', '.join(missing)}."),
        (
            outputs.invoke_url.startswith(f"{outputs.api_url}/"),
            f"invokeUrl ({outputs.invoke_url}) is not below apiUrl ({outputs.api_url}).",
        ),
        (
            outputs.issuer.endswith(f"/{outputs.user_pool_id}"),
            f"issuer ({outputs.issuer}) is not that of the user pool {outputs.user_pool_id}.",
        ),
        (
            re.fullmatch(r"/runtimes/[^/]+/invocations", runtime_path) is not None,
            f"runtimeUrl ({outputs.runtime_url}) does not end in /invocations, and no other path streams.",
        ),
        (
            outputs.is_local or outputs.invoke_url.startswith("https:"),
            f"invokeUrl ({outputs.invoke_url}) is not https.",
        ),
        (
            outputs.heartbeat_seconds * 2 <= outputs.idle_timeout_seconds,
            f"heartbeatSeconds ({outputs.heartbeat_seconds:g}) is more than half of idleTimeoutSeconds.",
        ),
    )
    return next((problem for holds, problem in rules if not holds), "")


async def _resolve(url: str) -> str:
    parts = urlsplit(url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Finding(
            f"{parts.hostname} has no address in the DNS ({error}).",
            "Check api.domain and its hosted zone, or the spelling of the output.",
        ) from None
    return str(found[0][4][0])

"""Check 1: the outputs, and the connection to the API."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from client.doctor.check import AG, Check, CheckContext, Fail, Pass
from client.doctor.consistency import ALWAYS, problems
from client.doctor.responder import expect_responder, responder_of
from client.exchange import record
from client.outputs import Outputs

PATIENCE = 10.0
"""The time limit in seconds for a response of the API itself."""


class Reach(Check):
    """Checks that the outputs are consistent, and that DNS and TLS lead to the API."""

    name = "outputs"
    question = "the stack's outputs are complete and agree with each other, and the API answers at its address"
    page = f"{AG}/how-to-call-api.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        outputs = context.outputs
        if found := list(problems(outputs)):
            raise Fail(
                " ".join(found),
                "Run `pulumi up` and read the outputs again; __main__.py exports them.",
                why="Every client of the stack starts from its outputs, and they contradict each other.",
            )
        address = await _resolve(outputs.invoke_url)
        # Without a token and with an undeclared method, because only the responder is of interest.
        answer = await record(context.http, outputs.invoke_url, None, "", method="GET", begin_within=PATIENCE)
        if answer.status == 0:
            late = answer.ending == "late"
            raise Fail(
                f"{outputs.invoke_url} ({address}) accepts the connection, and then there is {answer.message}."
                if late
                else f"{outputs.invoke_url} ({address}) accepts no connection: {answer.message}.",
                "Start the local run: `python -m local up`."
                if outputs.is_local
                else "Check the network and the certificate; a PRIVATE API answers only inside its VPC "
                "(api.endpointType).",
                why="No client can reach the API.",
            )
        if answer.status < 400 or (responder_of(answer) == "unidentified" and answer.status < 500):
            to = answer.headers.get("location", "")
            raise Fail(
                f"GET {outputs.invoke_url} answers {answer.status}{f' and redirects to {to}' if to else ''}, and "
                f"{'has no x-amzn-requestid' if not answer.request_id else 'the API has no such method'}: another "
                "server than this API answers.",
                "Check invokeUrl, whether your network has a sign-in page, and, with api.domain, the base path mapping "
                "in infra/domain.py.",
                why="Clients would send their tokens to that server.",
            )
        expect_responder(answer, f"GET {outputs.invoke_url}", "API", "API key", "authorizer")
        scheme = "TLS" if outputs.invoke_url.startswith("https:") else "no TLS, on loopback"
        seen = f"all {len(ALWAYS)} outputs agree; API Gateway answers at {address} ({scheme})"
        return Pass(seen, proposal=await _default_endpoint_proposal(context))


def default_endpoint(outputs: Outputs) -> str | None:
    """Return the API's default execute-api URL, if the stack has a custom domain; else None."""
    host = urlsplit(outputs.invoke_url).hostname or ""
    if outputs.is_local or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return None
    api = f"https://{outputs.rest_api_id}.execute-api.{outputs.region}.amazonaws.com"
    return f"{api}/{outputs.stage_name}{outputs.route}"


async def _default_endpoint_proposal(context: CheckContext) -> str:
    """Return a proposal if the API with a custom domain also answers at its default endpoint; else empty.

    A disabled default endpoint answers every request with 403 and ForbiddenException.
    """
    address = default_endpoint(context.outputs)
    if address is None:
        return ""
    answer = await record(context.http, address, None, "", method="GET", begin_within=PATIENCE)
    if responder_of(answer) != "API" or answer.headers.get("x-amzn-errortype", "").startswith("ForbiddenException"):
        return ""
    return (
        f"The API also answers at {urlsplit(address).hostname}: when all clients use the custom domain, set "
        "onlyThisName: true under api.domain and deploy (docs/changes.md)."
    )


async def _resolve(url: str) -> str:
    parts = urlsplit(url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Fail(
            f"The DNS has no address for {parts.hostname} ({error}).",
            "Check api.domain and its hosted zone, or the spelling of the output.",
            why="No client can find the API.",
        ) from None
    return str(found[0][4][0])

"""Check 1: the outputs, and the way to the API."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from client.doctor.check import AG, Check, CheckContext, Fail, Pass
from client.doctor.consistency import ALWAYS, problems
from client.doctor.responder import responder_of, understood
from client.exchange import record
from client.outputs import Outputs

PATIENCE = 10.0
"""Seconds for an answer that nothing behind the API has a part in."""


class Reach(Check):
    """The outputs agree with each other, and DNS and TLS lead to the API."""

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
                why="Everything that talks to the stack starts from its outputs, and one of them leads elsewhere.",
            )
        address = await _resolve(outputs.invoke_url)
        # Without a token, and with a method that the API does not have: whoever answers is what is asked here.
        answer = await record(context.http, outputs.invoke_url, None, "", method="GET", begin_within=PATIENCE)
        if answer.status == 0:
            late = answer.ending == "late"
            raise Fail(
                f"{outputs.invoke_url} ({address}) takes the connection, and then there is {answer.message}."
                if late
                else f"{outputs.invoke_url} ({address}) takes no connection: {answer.message}.",
                "Bring the chain up: `python -m local up`."
                if outputs.is_local
                else "Check the network and the certificate; a PRIVATE API answers only inside its VPC "
                "(api.endpointType).",
                why="No client gets further than this.",
            )
        if answer.status < 400 or (responder_of(answer) == "unidentified" and answer.status < 500):
            to = answer.headers.get("location", "")
            raise Fail(
                f"GET {outputs.invoke_url} answers {answer.status}{f' and leads to {to}' if to else ''}, and "
                f"{'has no x-amzn-requestid' if not answer.request_id else 'there is no such method'}: that is not "
                "this API in API Gateway.",
                "Check invokeUrl, a sign-in page of the network you are in, and, with api.domain, the base path "
                "mapping in infra/domain.py.",
                why="Tokens would be sent to whoever answers there.",
            )
        understood(answer, f"GET {outputs.invoke_url}", "API", "API key", "authorizer")
        scheme = "TLS" if outputs.invoke_url.startswith("https:") else "no TLS, on loopback"
        seen = f"all {len(ALWAYS)} outputs agree; API Gateway answers at {address} ({scheme})"
        return Pass(seen, proposal=await _second_door(context))


def first_address(outputs: Outputs) -> str | None:
    """The API's own address, where the stack also gave it a host name; None where it did not."""
    host = urlsplit(outputs.invoke_url).hostname or ""
    if outputs.is_local or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return None
    api = f"https://{outputs.rest_api_id}.execute-api.{outputs.region}.amazonaws.com"
    return f"{api}/{outputs.stage_name}{outputs.route}"


async def _second_door(context: CheckContext) -> str:
    """What to do about an API that still answers at its own address; empty where it does not.

    One that is switched off answers 403 with ForbiddenException to whatever is asked.
    """
    address = first_address(context.outputs)
    if address is None:
        return ""
    answer = await record(context.http, address, None, "", method="GET", begin_within=PATIENCE)
    if responder_of(answer) != "API" or answer.headers.get("x-amzn-errortype", "").startswith("ForbiddenException"):
        return ""
    return (
        f"The API answers at {urlsplit(address).hostname} too, which no caller needs any more once all know its own "
        "name: write onlyThisName: true under api.domain and deploy (docs/changes.md)."
    )


async def _resolve(url: str) -> str:
    parts = urlsplit(url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Fail(
            f"{parts.hostname} has no address in the DNS ({error}).",
            "Check api.domain and its hosted zone, or the spelling of the output.",
            why="No client finds the API.",
        ) from None
    return str(found[0][4][0])

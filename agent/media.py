"""Fetches an image or a document from a caller's URL, only from the hosts in `media_hosts`.

A caller's URL can make the agent fetch what its network and role reach, such as the microVM's metadata service (SSRF).
So: https only; every resolved address of the host must be public; the connection goes to the address that was checked,
so that a DNS answer that changes in between has no effect; no redirects; bounded time and bytes.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import AgentError, Code
from agent.input import check_medium

if TYPE_CHECKING:
    from agent.request import Run
    from agent.settings import Settings

__all__ = ["with_media"]

_SECONDS = 20.0
_MAX_BYTES = 4_718_592


async def with_media(run: Run, settings: Settings) -> Run:
    """Return `run` with every URL part replaced by the data at that URL.

    Raises AgentError(MEDIA_URL_FORBIDDEN) for a URL that may not be, or cannot be, fetched.
    """
    messages = []
    for message in run.input:
        content = getattr(message, "content", None)
        if not isinstance(content, list) or not any(_is_url(part) for part in content):
            messages.append(message)
            continue
        parts = [await _fetched(part, settings) if _is_url(part) else part for part in content]
        messages.append(message.model_copy(update={"content": parts}))
    return replace(run, input=tuple(messages))


def _is_url(part: Any) -> bool:
    return getattr(getattr(part, "source", None), "type", None) == "url"


async def _fetched(part: Any, settings: Settings) -> Any:
    from ag_ui.core import DataSource  # noqa: PLC0415 - needed for URL parts only

    try:
        async with asyncio.timeout(_SECONDS):
            kind, data = await _get(part.source.value, settings)
        check_medium(part.type, kind, data)
    except Exception as error:
        raise AgentError(Code.MEDIA_URL_FORBIDDEN) from error
    source = DataSource(type="data", value=base64.b64encode(data).decode(), mime_type=kind)
    return part.model_copy(update={"source": source})


async def _get(address: str, settings: Settings) -> tuple[str, bytes]:
    """Return a URL's content type and bytes. Raises ValueError, OSError or httpx.HTTPError unless the status is 200."""
    import httpx  # noqa: PLC0415 - needed for URL parts only

    url = urlsplit(address)
    host = url.hostname or ""
    if url.scheme != "https" or host not in settings.media_hosts or url.username is not None:
        raise ValueError("not an https address of a host in runtime.mediaHosts")
    pinned = await _public_address(host, url.port or 443)
    # Connect to the address that was checked; verify the certificate against the host name.
    target = httpx.URL(address).copy_with(host=pinned)
    trusted = await asyncio.to_thread(httpx.create_ssl_context)
    async with (
        httpx.AsyncClient(verify=trusted, trust_env=False, follow_redirects=False, timeout=_SECONDS) as client,
        client.stream(
            "GET",
            target,
            headers={"Host": url.netloc, "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host},
        ) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"the answer is {answer.status_code}")
        data = b""
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > _MAX_BYTES:
                raise ValueError(f"the answer has more than {_MAX_BYTES} bytes")
    kind = answer.headers.get("content-type", "application/octet-stream")
    return kind.partition(";")[0].strip().lower(), data


async def _public_address(host: str, port: int) -> str:
    """Return one address of `host`. Raises ValueError unless all of them are public, and OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not _is_public(address):
            raise ValueError(f"{host} is not public")
    return addresses[0]


def _is_public(address: str) -> bool:
    one: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        one = one.ipv4_mapped or one.sixtofour or one
    return one.is_global and not one.is_multicast

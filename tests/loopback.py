"""httpx for servers on loopback: no proxy, and no certificates, which each of its clients would read anew (40 ms)."""

from __future__ import annotations

import ssl
from functools import partial

import httpx

_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, so that https fails

AsyncClient = partial(httpx.AsyncClient, trust_env=False, verify=_NO_CERTIFICATES)
Client = partial(httpx.Client, trust_env=False, verify=_NO_CERTIFICATES)
get = partial(httpx.get, trust_env=False, verify=_NO_CERTIFICATES)
post = partial(httpx.post, trust_env=False, verify=_NO_CERTIFICATES)
request = partial(httpx.request, trust_env=False, verify=_NO_CERTIFICATES)
stream = partial(httpx.stream, trust_env=False, verify=_NO_CERTIFICATES)
options = partial(httpx.options, trust_env=False, verify=_NO_CERTIFICATES)

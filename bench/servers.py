"""The measured servers: the agent behind two entry points, a gateway without a throttle, two nginx that proxy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contract import Kind
from local import LOOPBACK, ROOT
from local.processes.child import Child, bare_environment
from local.processes.ports import any_port
from local.program.graph import Graph

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen {host}:{first}; location / {{ {passing} proxy_pass http://{host}:{second}; }} }}
  server {{ listen {host}:{second}; location / {{ {passing} proxy_pass {backend}; }} }}
}}
"""
PASSING = 'proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 900s;'
"""nginx's settings for a stream: https://nginx.org/en/docs/http/ngx_http_proxy_module.html."""


def argv(which: str, port: int) -> list[str]:
    """The command of one of the two entry points, ``ours`` or ``yield``."""
    return [sys.executable, "-m", "bench.agent_servers", which, str(port)]


def unthrottled(graph: Graph) -> Graph:
    """The graph with a throttle that hundreds of streams from one address do not reach, and without rate rules."""
    for settings in graph.all(Kind.METHOD_SETTINGS):
        pace = {**settings.inputs["settings"], "throttlingRateLimit": 10_000, "throttlingBurstLimit": 5_000}
        graph = graph.with_inputs(settings.urn, settings=pace)
    for acl in graph.all(Kind.WEB_ACL):
        rules = [rule for rule in acl.inputs["rules"] if "rateBasedStatement" not in rule["statement"]]
        graph = graph.with_inputs(acl.urn, rules=rules)
    return graph


@asynccontextmanager
async def agent(which: str, folder: Path) -> AsyncIterator[str]:
    """Run one of the two entry points; yields its base URL."""
    port = any_port()
    child = await Child.start(
        which, argv(which, port), log=folder / f"{which}.log", cwd=ROOT, environment=bare_environment()
    )
    try:
        await child.healthy(port, "/ping")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        await child.stop()


def nginx() -> str | None:
    """The path of nginx; None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def two_hops(backend: str, folder: Path) -> AsyncIterator[str]:
    """Run two nginx in a row before a server, with buffering off; yields their base URL. nginx must be installed."""
    program = nginx()
    assert program is not None
    first, second = any_port(), any_port()
    configuration = folder / "nginx.conf"
    values = {"folder": folder, "host": LOOPBACK, "first": first, "second": second, "passing": PASSING}
    configuration.write_text(NGINX.format(**values, backend=backend))
    child = await Child.start(
        "nginx",
        [program, "-c", str(configuration), "-p", str(folder)],
        log=folder / "nginx.log",
        cwd=folder,
        environment=bare_environment(),
    )
    try:
        await child.healthy(first, "/ping")
        yield f"http://{LOOPBACK}:{first}"
    finally:
        await child.stop()

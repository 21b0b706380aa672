"""How the local run's own servers run: on loopback only, quiet, and gone when told."""

from __future__ import annotations

import logging

import uvicorn
from starlette.types import ASGIApp

from local.network import LOOPBACK

SHUTDOWN_SECONDS = 1
"""Open streams get this long to end before they are cut."""


def serve(app: ASGIApp, port: int) -> None:
    """Serve an application on a loopback port until SIGINT or SIGTERM."""
    # A cut answer is a normal event here; uvicorn would report each as an error.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: record.getMessage() != "ASGI callable returned without completing response."
    )
    uvicorn.run(
        app,
        host=LOOPBACK,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )

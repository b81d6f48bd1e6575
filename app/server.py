"""The web server: uvicorn with uvloop and httptools, worker processes that share their metrics."""

from __future__ import annotations

import math
import os
import signal
import sys
import tempfile

import uvicorn

from app.metrics import MULTIPROCESS_VARIABLE
from app.settings import Settings

BACKLOG = 1024
# Longer than HAProxy keeps an idle connection, so that never the server closes one under a request.
KEEP_ALIVE_SECONDS = 75


def exit_on_sigterm() -> None:
    """Leave through the `finally` clauses.

    uvicorn raises SIGTERM once more when it has ended its work; by default that would kill us and leave
    temporary directories, or a private PostgreSQL, behind.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def run_server(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; then requests under way are answered before it ends."""
    exit_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="crm-metrics-") as directory:
        if settings.workers > 1:
            # Read by prometheus_client when it is first imported, which is in the workers.
            os.environ[MULTIPROCESS_VARIABLE] = settings.metrics_directory or directory
        host, port = settings.listen_address
        uvicorn.run(
            "app.main:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=settings.workers,
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.trusted_proxies,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        )

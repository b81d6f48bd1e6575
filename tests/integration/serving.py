"""The API as it is served in production: `python -m app serve`, its workers, real sockets."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import httpx
import pytest

from app.devserver import CrmDatabase, free_port

START_SECONDS = 120.0  # two workers on a machine that others share


@contextmanager
def serving(database: CrmDatabase, output: Path | None = None, **settings: str) -> Iterator[str]:
    """The base address. `settings`: CRM_…; `output`: the file that takes what it says."""
    port = free_port()
    environment = {
        **os.environ,
        "CRM_DATABASE_URL": database.url(),
        "CRM_LISTEN": f"127.0.0.1:{port}",
        "CRM_DRAIN_SECONDS": "1",
        # Patient: tests share the machine with others, and what they find is no fault of the database.
        "CRM_POOL_WAIT_SECONDS": "60",
        "CRM_CONNECT_SECONDS": "20",
        "CRM_PROBE_TIMEOUT_SECONDS": "20",
        "CRM_REQUEST_DEADLINE_SECONDS": "60",
        "CRM_CARD_KEYS": f"1:{base64.b64encode(os.urandom(32)).decode()}",
        **settings,
    }
    with _started(environment, output) as process:
        _wait_ready(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(START_SECONDS) == 0


@contextmanager
def _started(environment: dict[str, str], output: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """Ended by whoever started it; after a failure nothing of it is left, the workers included."""
    command = [sys.executable, "-m", "app", "serve"]
    with (
        nullcontext() if output is None else output.open("wb") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        try:
            yield process
        except BaseException:
            with suppress(ProcessLookupError):  # all of them ended by themselves
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _wait_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "serve ended"
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/health/ready").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail("serve did not become ready")

"""What the CRM API's discipline costs: one-row read, page of 50, one-row write, beside bare routes.

One worker each, one private PostgreSQL, both servers up all the time, measured in turns.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from app.devserver import CrmDatabase, create_crm_database, free_port, running_server
from app.roles import Role
from benchmarks import load
from benchmarks.harness import Better, Figure, alternating, figure
from infra.command import Process, spawn

_START_DEADLINE_S = 20.0
_CUSTOMERS = 1000
_RUNS = int(os.environ.get("BENCH_RUNS", "5"))
_TRANSACTION = json.dumps(
    {
        "processing_id": "UNIQUE",
        "card_token": "tok_bench",
        "station": "AZS-0001",
        "product": "AI-95",
        "quantity": "40.00",
        "amount": "2200.00",
        "currency": "RUB",
        "occurred_at": "2026-01-02T03:04:05Z",
    }
)


def measure() -> list[Figure]:
    """The figures of this page.

    Raises:
        LoadError: an answer was not 2xx.
        DevServerError: no PostgreSQL server programs.
    """
    with ExitStack() as stack:
        database = create_crm_database(stack.enter_context(running_server({"shared_buffers": "256MB"})))
        ours = stack.enter_context(serving_crm(database))
        bare = stack.enter_context(_bare_routes(database))
        card = _fill(ours)
        return [
            *_compare("one-row read", f"{ours}{card}", f"{bare}{card}"),
            *_compare("page of 50", f"{ours}{_PAGE}", f"{bare}{_PAGE}"),
            *_compare_writes(ours, bare),
        ]


_PAGE = "/api/v1/customers?limit=50"


def _compare(name: str, ours: str, bare: str) -> list[Figure]:
    mine, limit = alternating(
        _RUNS, lambda: load.get(ours).requests_per_s, lambda: load.get(bare).requests_per_s
    )
    return [figure(f"API, {name}", "requests/s", mine, better=Better.HIGHER, limit_samples=limit)]


def _compare_writes(ours: str, bare: str) -> list[Figure]:
    def write(base: str) -> float:
        url = f"{base}/api/v1/card-transactions"
        return load.post(url, _TRANSACTION, secrets.token_hex(4)).requests_per_s

    mine, limit = alternating(_RUNS, lambda: write(ours), lambda: write(bare))
    return [figure("API, one-row write", "requests/s", mine, better=Better.HIGHER, limit_samples=limit)]


def _fill(base: str) -> str:
    """Enough cards for full pages; returns the path of one."""
    with httpx.Client(base_url=base) as client:
        for n in range(_CUSTOMERS):
            body = {
                "kind": "person",
                "name": f"Покупатель {n}",
                "contacts": [{"kind": "email", "value": f"p{n}@example.com"}],
            }
            answer = client.post("/api/v1/customers", json=body, headers={"Idempotency-Key": f"fill-{n}"})
            answer.raise_for_status()
    return str(answer.headers["location"])


@contextmanager
def serving_crm(database: CrmDatabase) -> Iterator[str]:
    """The API with one worker, for as long as the block lasts; its base address."""
    port = free_port()
    settings = {
        "CRM_DATABASE_URL": database.url(),
        "CRM_MIGRATION_URL": database.url(Role.OWNER),
        "CRM_LISTEN": f"127.0.0.1:{port}",
        "CRM_WORKERS": "1",
        "CRM_LOG_LEVEL": "WARNING",
        "CRM_AUTHENTICATION": "trusted-network",
    }
    with _serving([sys.executable, "-m", "app", "serve"], settings, port) as base:
        yield base


@contextmanager
def _bare_routes(database: CrmDatabase) -> Iterator[str]:
    port = free_port()
    server = ["-m", "uvicorn", "benchmarks.reference:app", "--port", str(port), "--no-access-log"]
    fast = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    # The owner: the API's role sees its rows through row-level security, the bare routes do without.
    settings = {"BENCH_DATABASE_URL": database.admin_url}
    with _serving([sys.executable, *server, *fast], settings, port) as base:
        yield base


@contextmanager
def _serving(argv: list[str], settings: dict[str, str], port: int) -> Iterator[str]:
    process = spawn(argv, env=settings, new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base, process)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(base: str, process: Process) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            if httpx.get(f"{base}{_PAGE}", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise load.LoadError(f"{base} did not serve within {_START_DEADLINE_S:g} s")
        time.sleep(0.1)

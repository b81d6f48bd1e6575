"""What the CRM API's discipline costs: one-row read, page of 50, one-row write, beside bare routes.

One worker each, one private PostgreSQL, both servers up all the time, measured in turns.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import httpx

from app.devserver import CrmDatabase, create_crm_database, free_port, running_server
from app.roles import Role
from benchmarks import load, processor
from benchmarks.harness import Better, Figure, alternating, figure
from infra.command import Process, spawn

_START_DEADLINE_S = 60.0
_CUSTOMERS = 300
OWNER = "postgres"  # of the private server, as whom the bare routes log in
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


PAGE = "/api/v1/customers?limit=50"
_TRANSACTIONS = "/api/v1/card-transactions"
# Within a second the API has stored whom it has shown what: that, too, is part of the cost of a read.
_SETTLE_S = 1.5


@dataclass(frozen=True)
class Served:
    """A server of this bench, and as whom it logs in to the database."""

    base: str
    pid: int
    user: str


@dataclass(frozen=True)
class Sample:
    """One run against one server; processor time in microseconds a request."""

    requests_per_s: float
    server_us: float
    database_us: float


def measure() -> list[Figure]:
    """The figures of this page.

    Raises:
        LoadError: an answer was not 2xx.
        DevServerError: no PostgreSQL server programs.
    """
    with ExitStack() as stack:
        database = create_crm_database(stack.enter_context(running_server({"shared_buffers": "256MB"})))
        served = stack.enter_context(serving_crm(database))
        ours = partial(sample, database, served)
        bare = partial(sample, database, stack.enter_context(_bare_routes(database)))
        card = fill(served.base)
        return [
            *compare("one-row read", partial(ours, load.get, card), partial(bare, load.get, card)),
            *compare("page of 50", partial(ours, load.get, PAGE), partial(bare, load.get, PAGE)),
            *compare(
                "one-row write", partial(ours, _write, _TRANSACTIONS), partial(bare, _write, _TRANSACTIONS)
            ),
            *compare(
                "one-row write beside the insert alone",
                partial(ours, _write, _TRANSACTIONS),
                partial(bare, _write, "/insert-alone"),
            ),
        ]


def sample(database: CrmDatabase, server: Served, run: Callable[[str], load.Rate], path: str) -> Sample:
    """One run of a load against one server."""
    before = processor.used(database, server.pid, server.user)
    rate = run(f"{server.base}{path}")
    time.sleep(_SETTLE_S)
    used = processor.used(database, server.pid, server.user) - before
    return Sample(
        rate.requests_per_s, used.server_s / rate.requests * 1e6, used.database_s / rate.requests * 1e6
    )


def _write(url: str) -> load.Rate:
    return load.post(url, _TRANSACTION, secrets.token_hex(4))


def compare(name: str, ours: Callable[[], Sample], bare: Callable[[], Sample]) -> list[Figure]:
    """After one run each that nobody counts: statements are prepared and pools filled by then."""
    ours(), bare()
    mine, limit = alternating(_RUNS, ours, bare)

    def made(what: str, unit: str, better: Better, of: Callable[[Sample], float]) -> Figure:
        return figure(
            f"API, {name}{what}", unit, [*map(of, mine)], better=better, limit_samples=[*map(of, limit)]
        )

    return [
        made("", "requests/s", Better.HIGHER, lambda each: each.requests_per_s),
        made(": its process", "µs of processor a request", Better.LOWER, lambda each: each.server_us),
        made(": its sessions", "µs of processor a request", Better.LOWER, lambda each: each.database_us),
    ]


def fill(base: str) -> str:
    """Enough cards for full pages; returns the path of one."""
    with httpx.Client(base_url=base, timeout=load.PATIENCE_S) as client:
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
def serving_crm(database: CrmDatabase) -> Iterator[Served]:
    """The API with one worker, for as long as the block lasts."""
    port = free_port()
    settings = {
        "CRM_DATABASE_URL": database.url(),
        "CRM_MIGRATION_URL": database.url(Role.OWNER),
        "CRM_LISTEN": f"127.0.0.1:{port}",
        "CRM_WORKERS": "1",
        "CRM_LOG_LEVEL": "WARNING",
        "CRM_AUTHENTICATION": "trusted-network",
        # A machine that does other work too must not look like an outage.
        "CRM_REQUEST_DEADLINE_SECONDS": str(load.PATIENCE_S),
        "CRM_PROBE_TIMEOUT_SECONDS": str(load.PATIENCE_S),
    }
    with serving([sys.executable, "-m", "app", "serve"], settings, port) as (base, pid):
        yield Served(base, pid, Role.APP.value)


@contextmanager
def _bare_routes(database: CrmDatabase) -> Iterator[Served]:
    port = free_port()
    server = ["-m", "uvicorn", "benchmarks.reference:app", "--port", str(port), "--no-access-log"]
    fast = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    # The owner: the API's role sees its rows through row-level security, the bare routes do without.
    settings = {"BENCH_DATABASE_URL": database.admin_url}
    with serving([sys.executable, *server, *fast], settings, port) as (base, pid):
        yield Served(base, pid, OWNER)


@contextmanager
def serving(
    argv: list[str], settings: dict[str, str], port: int, ready: str = PAGE
) -> Iterator[tuple[str, int]]:
    """Its base address and its process."""
    process = spawn(argv, env=settings, new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base, ready, process)
        yield base, process.pid
    finally:
        process.terminate()
        process.wait(timeout=_START_DEADLINE_S)


def _wait_for(base: str, ready: str, process: Process) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            if httpx.get(f"{base}{ready}", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise load.LoadError(f"{base} did not serve within {_START_DEADLINE_S:g} s")
        time.sleep(0.1)

"""Prometheus metrics of the API. Several workers share them through files (`app.server` sets that up)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

REQUEST_SECONDS = Histogram(
    "crm_http_request_seconds",
    "Time from the request's head to the end of the answer, by the route's template",
    ["method", "route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)


@lru_cache(maxsize=10_000)
def request_seconds(method: str, route: str, status: int) -> Histogram:
    """Where a request is measured. To find it costs more than to count in it."""
    return REQUEST_SECONDS.labels(method, route, status)


WRITES = Counter("crm_writes", "Units of work by outcome", ["outcome"])
REPETITIONS = Counter("crm_repetitions", "Requests repeated inside the API, by what they met", ["code"])
WRITES_EXPOSED = Counter(
    "crm_writes_exposed",
    "Acknowledged writes whose only copies are in the primary's site (durability available)",
)
WRITES_UNCOPIED = Counter(
    "crm_writes_uncopied",
    "Commits that were not acknowledged, as no other site had a copy (durability strict)",
)
READS = Counter("crm_reads", "Reads by the route that served them", ["route"])


@lru_cache
def reads(route: str) -> Counter:
    return READS.labels(route)


@lru_cache
def writes(outcome: str) -> Counter:
    return WRITES.labels(outcome)


POOL_CONNECTIONS = Gauge(
    "crm_pool_connections",
    "Connections of the pools, by state",
    ["route", "state"],
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "crm_pool_waiting", "Requests waiting for a connection", ["route"], multiprocess_mode="livesum"
)
ROUTE_UP = Gauge(
    "crm_route_up",
    "1 when the last probe found a usable server at the route's end",
    ["route"],
    multiprocess_mode="livemin",
)
UNITS_OPEN = Gauge(
    "crm_units_open", "Units of work under way, abandoned ones too", multiprocess_mode="livesum"
)
STREAMS_OPEN = Gauge("crm_streams_open", "Streams of events being served", multiprocess_mode="livesum")
WORKER_EPOCH = Gauge("crm_worker_epoch", "The term of office that this process serves; 0 out of office")
JOB_RUNS = Counter("crm_job_runs", "Runs of the worker's jobs by outcome", ["job", "outcome"])
DELIVERIES = Counter("crm_deliveries", "Attempts to deliver events by their fate", ["target", "fate"])
LETTERS = Counter("crm_letters", "Letters of the mail intake by outcome", ["outcome"])
JOB_SECONDS = Histogram(
    "crm_job_seconds", "Time of one run", ["job"], buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)
)

AUDIT_WAITING = Gauge(
    "crm_audit_waiting",
    "Disclosures on this host's disk that the database does not have yet",
    multiprocess_mode="livesum",
)


def note_pool(route: str, stats: dict[str, int]) -> None:
    """Take over what psycopg_pool says about itself."""
    available = stats.get("pool_available", 0)
    POOL_CONNECTIONS.labels(route, "idle").set(available)
    POOL_CONNECTIONS.labels(route, "used").set(stats.get("pool_size", 0) - available)
    POOL_WAITING.labels(route).set(stats.get("requests_waiting", 0))


def forget_dead_workers(directory: Path) -> None:
    """A worker that was killed left its gauges behind; they would be counted for ever."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def serve(listen: str | None) -> None:
    """The page of a process that is alone, at ADDRESS:PORT; nowhere if that is None."""
    if listen is not None:
        address, _, port = listen.rpartition(":")
        start_http_server(int(port), address)


def exposition() -> tuple[bytes, str]:
    """The page of /metrics and its media type, over all workers."""
    if MULTIPROCESS_VARIABLE in os.environ:
        forget_dead_workers(Path(os.environ[MULTIPROCESS_VARIABLE]))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST

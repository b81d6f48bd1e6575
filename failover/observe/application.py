"""Application hosts and site entries: the API's readiness and pools, HAProxy's servers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

import httpx

from failover.model import ApiState, Node, Pool, ProxyServer, Serves

API_PORT = 8000
PROXY_PORT = 7000

_SAMPLE = re.compile(r"^(?P<name>[a-z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_CONNECTIONS = "crm_pool_connections"
_WAITING = "crm_pool_waiting"


async def read_api(client: httpx.AsyncClient, base: str) -> ApiState:
    """GET /health/ready below a base such as `https://10.77.1.10`.

    Raises:
        httpx.HTTPError: no answer.
        ValueError: the answer is not the API's (HAProxy answers 503 by itself when both APIs are gone).
    """
    answer = await client.get(f"{base}/health/ready")
    try:
        return api_from(answer.json())
    except ValueError as error:
        raise ValueError(f"HTTP {answer.status_code}, not an answer of the API") from error


def api_from(body: Any) -> ApiState:
    """The typed reading of GET /health/ready.

    Raises:
        ValueError: the body is not what the API writes.
    """
    if not isinstance(body, Mapping) or "serves" not in body:
        raise ValueError("not the API's answer")
    return ApiState(
        serves=Serves(body["serves"]),
        site=body.get("site"),
        host=body.get("host"),
        node=body.get("node"),
        role=body.get("role"),
        timeline=body.get("timeline"),
        lag_bytes=body.get("lag_bytes"),
    )


async def read_proxy(client: httpx.AsyncClient, node: Node) -> tuple[ProxyServer, ...]:
    """HAProxy's statistics page as CSV.

    Raises:
        httpx.HTTPError: no answer, or an error status.
        ValueError: not HAProxy's table.
    """
    answer = await client.get(f"http://{node.address}:{PROXY_PORT}/;csv")
    answer.raise_for_status()
    return proxy_from(answer.text)


def proxy_from(text: str) -> tuple[ProxyServer, ...]:
    """The lines of single servers; totals (FRONTEND, BACKEND) are left out.

    Raises:
        ValueError: not HAProxy's table.
    """
    if not text.startswith("# pxname,svname,"):
        raise ValueError("the answer is not HAProxy's statistics")
    return tuple(
        ProxyServer(
            backend=row["pxname"],
            server=row["svname"],
            # "UP 1/2" is a server on its way down, still used; "no check" one that is never asked.
            up=row["status"].startswith(("UP", "no check")),
            status=row["status"],
            sessions=int(row["scur"] or 0),
            queued=int(row["qcur"] or 0),
        )
        for row in csv.DictReader(io.StringIO(text.removeprefix("# ")))
        if row["svname"] not in ("FRONTEND", "BACKEND")
    )


async def read_pools(client: httpx.AsyncClient, node: Node) -> tuple[Pool, ...]:
    """The pools of the API on one host, from its metrics.

    Raises:
        httpx.HTTPError: no answer, or an error status.
    """
    answer = await client.get(f"http://{node.address}:{API_PORT}/metrics")
    answer.raise_for_status()
    return pools_from(answer.text)


def pools_from(text: str) -> tuple[Pool, ...]:
    """The pools named in a Prometheus text exposition (app/metrics.py)."""
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        sample = _SAMPLE.match(line)
        if sample and sample["name"] in (_CONNECTIONS, _WAITING):
            labels = dict(_LABEL.findall(sample["labels"] or ""))
            figures = found.setdefault(labels.get("route", ""), {})
            figures[labels.get("state", "waiting")] = int(float(sample["value"]))
    return tuple(
        Pool(route, figures.get("idle", 0), figures.get("used", 0), figures.get("waiting", 0))
        for route, figures in sorted(found.items())
    )

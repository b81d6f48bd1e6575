"""A closed load from wrk, on loopback, for a set time."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.command import run

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
CONNECTIONS = 8
PATIENCE_S = 20  # with one answer; on a machine that does other work too

_POST = """
local n, body = 0, [[BODY]]
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local id = "RUN-" .. n
  wrk.headers["Idempotency-Key"] = id
  return wrk.format(nil, nil, nil, (body:gsub("UNIQUE", id)))
end
"""
_SAME = """
wrk.method = "POST"
wrk.body = [[BODY]]
wrk.headers["Content-Type"] = "application/json"
"""


class LoadError(Exception):
    """Some answers were not 2xx, or none came: a figure from such a run would be a lie."""


@dataclass(frozen=True)
class Rate:
    """What one run reached."""

    requests_per_s: float
    p99_ms: float
    requests: int


def get(url: str) -> Rate:
    """Repeat a GET.

    Raises:
        LoadError: not every answer was 2xx.
        CommandError: wrk is missing or failed.
    """
    return _wrk(url, [])


def post(url: str, body: str, run_id: str) -> Rate:
    """Repeat a POST; UNIQUE in the body and the idempotency key differ each time.

    Raises:
        LoadError, CommandError: as for `get`.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_POST.replace("BODY", body).replace("RUN", run_id))
        script.flush()
        return _wrk(url, ["--script", script.name])


def post_same(url: str, body: str) -> Rate:
    """Repeat a POST that asks and changes nothing, as GraphQL reads.

    Raises:
        LoadError, CommandError: as for `get`.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SAME.replace("BODY", body))
        script.flush()
        return _wrk(url, ["--script", script.name])


def _wrk(url: str, options: list[str]) -> Rate:
    settings = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s", "--latency"]
    settings += ["--timeout", f"{PATIENCE_S}s"]
    text = run(["wrk", *settings, *options, url], timeout=SECONDS + PATIENCE_S + 10).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise LoadError(f"{url}: {text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if rate is None or slow is None or count is None or float(rate[1]) == 0:
        raise LoadError(f"{url}: no answers: {text}")
    slowest_ms = float(slow[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slow[2]]
    return Rate(float(rate[1]), slowest_ms, int(count[1]))


def wrk_is_here() -> bool:
    return any((Path(folder) / "wrk").exists() for folder in os.environ["PATH"].split(":"))

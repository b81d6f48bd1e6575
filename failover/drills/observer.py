"""Samples, several times a second, who accepts writes, who holds the leader key, what the entries serve.

One thread for each thing observed, so that a silent one never delays the others. What it writes is
described in docs/drills.md, "What the observer writes".
"""

from __future__ import annotations

import json
import math
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from failover.drills.figures import WRITER
from failover.drills.history import Recorder
from failover.drills.model import Entry, Event, EventType
from failover.drills.phases import ENTRY, LEADER
from failover.drills.probe import Answer, WriterProbe
from failover.znodes import PATRONI, Unanswered

PROC = "observer"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how patiently is sampled, in seconds.

    A sample write counts only when it is acknowledged within `deadline_s`: a later one may have been
    committed long before, and would make two writers out of one after the other.
    """

    period_s: float = 0.15
    deadline_s: float = 0.3
    abandon_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What is observed.

    Attributes:
        databases: libpq connection string of role `monitor` by host name, to that very host.
        entries: the sites' entries; each is asked for `/health/ready`.
        entry_ca: the file with the certificate authority of the entries, None for plain HTTP.
        zookeeper: makes a client, not yet started, of the ensemble.
        leader_path: the leader znode of Patroni.
    """

    databases: dict[str, str]
    entries: Sequence[Entry]
    entry_ca: Path | None
    zookeeper: Callable[[], KazooClient] | None
    leader_path: str = f"{PATRONI}/leader"


class Sampler(Protocol):
    """One thing observed: a sample returns an event, in bounded time."""

    def sample(self) -> Event: ...

    def close(self) -> None: ...


class WriterSampler:
    def __init__(self, host: str, conninfo: str, pace: Pace) -> None:
        self._host = host
        self._probe = WriterProbe(conninfo, deadline_s=pace.deadline_s, abandon_s=pace.abandon_s)

    def sample(self) -> Event:
        found = self._probe.sample()
        accepted = found.answer is Answer.ACCEPTED
        return Event(
            t_ns=found.ended_ns,
            type=EventType.OBSERVE,
            proc=PROC,
            function=WRITER,
            node=self._host,
            timeline=found.timeline,
            status=int(accepted),
            state=found.answer,
            err=found.detail,
            latency_ns=found.ended_ns - found.started_ns,
        )

    def close(self) -> None:
        self._probe.close()


class EntrySampler:
    """Asks over one connection kept alive: a TLS handshake for each sample would cost as much as a user."""

    def __init__(self, entry: Entry, ca: Path | None, pace: Pace) -> None:
        self._entry = entry
        url = urlsplit(entry.url)
        host = url.hostname or ""
        self._connection: HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            self._connection = HTTPSConnection(host, url.port, timeout=pace.deadline_s, context=context)
        else:
            self._connection = HTTPConnection(host, url.port, timeout=pace.deadline_s)

    def sample(self) -> Event:
        started = time.monotonic_ns()
        status, body, err = self._ask()
        ended = time.monotonic_ns()
        return Event(
            t_ns=ended,
            type=EventType.OBSERVE,
            proc=PROC,
            function=ENTRY,
            route=self._entry.site,
            status=status,
            state=body.get("serves"),
            node=body.get("node"),
            timeline=body.get("timeline"),
            err=err,
            latency_ns=ended - started,
        )

    def close(self) -> None:
        self._connection.close()

    def _ask(self) -> tuple[int | None, dict[str, Any], str | None]:
        """Return status, body and error of `/health/ready`; after a failure the next one connects anew."""
        try:
            self._connection.request("GET", "/health/ready")
            answer = self._connection.getresponse()
            return answer.status, _object(answer.read()), None
        except (OSError, HTTPException) as error:  # refused, reset, timed out, TLS, broken off
            self._connection.close()
            return None, {}, str(error) or type(error).__name__


class LeaderSampler:
    """Reads the leader znode; `entity` is the session that owns it, in hexadecimal."""

    def __init__(self, client: KazooClient, path: str, pace: Pace) -> None:
        self._client = client
        self._path = path
        self._pace = pace
        client.start_async()

    def sample(self) -> Event:
        started = time.monotonic_ns()
        node, owner, err = self._read()
        ended = time.monotonic_ns()
        return Event(
            t_ns=ended,
            type=EventType.OBSERVE,
            proc=PROC,
            function=LEADER,
            node=node,
            entity=owner,
            err=err,
            latency_ns=ended - started,
        )

    def close(self) -> None:
        self._client.stop()
        self._client.close()

    def _read(self) -> tuple[str | None, str | None, str | None]:
        try:
            value, stat = self._client.get_async(self._path).get(timeout=self._pace.deadline_s)
        except NoNodeError:
            return None, None, None
        except Unanswered as error:
            return None, None, str(error) or type(error).__name__
        return value.decode(), f"{stat.ephemeralOwner:x}", None


def next_beat(began_s: float, now_s: float, period_s: float) -> float:
    """Return the next instant of the grid; a slow sample skips beats instead of bunching them."""
    return began_s + (math.floor((now_s - began_s) / period_s) + 1) * period_s


class SamplingObserver:
    """The real observer: threads that sample and append to one history file."""

    def __init__(self, observed: Observed, pace: Pace | None = None) -> None:
        self._observed = observed
        self._pace = pace or Pace()
        self._ending = threading.Event()
        self._began_s = 0.0
        self._threads: list[threading.Thread] = []
        self._recorder: Recorder | None = None

    def start(self, history: Path) -> None:
        """Begin to sample; `history` is appended to."""
        self._ending.clear()
        self._began_s = time.monotonic()
        self._recorder = Recorder(history)
        for sampler in self._samplers():
            thread = threading.Thread(target=self._observe, args=(sampler, self._recorder), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End all sampling; no error when it is not running."""
        self._ending.set()
        for thread in self._threads:
            thread.join(timeout=self._pace.abandon_s + self._pace.deadline_s)
        self._threads.clear()
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def _samplers(self) -> list[Sampler]:
        seen = self._observed
        samplers: list[Sampler] = [
            *(WriterSampler(host, conninfo, self._pace) for host, conninfo in seen.databases.items()),
            *(EntrySampler(entry, seen.entry_ca, self._pace) for entry in seen.entries),
        ]
        if seen.zookeeper is not None:
            samplers.append(LeaderSampler(seen.zookeeper(), seen.leader_path, self._pace))
        return samplers

    def _observe(self, sampler: Sampler, recorder: Recorder) -> None:
        """Sample until the end on the grid that all samplers share: nodes are asked at the same moments."""
        while not self._ending.is_set():
            recorder.record(sampler.sample())
            now = time.monotonic()
            self._ending.wait(next_beat(self._began_s, now, self._pace.period_s) - now)
        sampler.close()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

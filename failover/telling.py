"""What `explain` and `events` print, read from ZooKeeper by anybody with a session. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from kazoo.client import KazooClient

from failover.decide import History, Policy, decide
from failover.diagnosis import diagnose
from failover.estate_reader import EstateReader
from failover.events import Announcement, Happening, current
from failover.explain import explain
from failover.journal_store import open_operation
from failover.leadership import holder
from failover.maintenance import held_hosts
from failover.model import Layout
from failover.panel import Picture, Thresholds
from failover.stranded import Stranded
from failover.views import SightingBook

LOOKS_EVERY_MS = 300


def looker(
    client: KazooClient,
    layout: Layout,
    thresholds: Thresholds,
    monotonic_ns: Callable[[], int],
    *,
    tree_mismatches: Callable[[], Mapping[str, int]] = dict,
    stranded: Callable[[Picture], Mapping[str, Stranded]] = lambda _: {},
) -> Callable[[], Picture]:
    """A function that looks at everything at once. It remembers when it saw each view change.

    `stranded` is told what is seen, and says what is known of standbys that do not stream.
    """
    reader, book = EstateReader(client), SightingBook()

    def look() -> Picture:
        views, cluster, operation = reader.views(), reader.cluster(), open_operation(client)
        maintenance = held_hosts(client)
        now_ns = monotonic_ns()
        seen = Picture(
            layout=layout,
            now_ns=now_ns,
            sightings=book.update(views, now_ns),
            cluster=cluster,
            thresholds=thresholds,
            operation=operation,
            maintenance=maintenance,
            tree_mismatches=tree_mismatches(),
        )
        return replace(seen, stranded=stranded(seen))

    return look


def settled_picture(
    client: KazooClient,
    layout: Layout,
    monotonic_ns: Callable[[], int],
    sleep: Callable[[float], None],
) -> Picture:
    """What a newcomer may rely on: it looks for as long as it takes to know which views are stale.

    Again and again, as what changed while nobody looked does not count as new (`SightingBook`).
    """
    announced = current(client)
    thresholds = announced.thresholds if announced else Thresholds()
    look = looker(client, layout, thresholds, monotonic_ns)
    return settle(look, sleep, lambda _: False)


def settle(
    look: Callable[[], Picture], sleep: Callable[[float], None], enough: Callable[[Picture], bool]
) -> Picture:
    """The picture after as many looks as it takes to know which views are stale, or until it is `enough`."""
    seen = look()
    for _ in range(seen.thresholds.calm_ms // LOOKS_EVERY_MS + 1):
        if enough(seen):
            break
        sleep(LOOKS_EVERY_MS / 1000)
        seen = look()
    return seen


def tell(
    client: KazooClient,
    layout: Layout,
    monotonic_ns: Callable[[], int],
    sleep: Callable[[float], None],
) -> str:
    """What the agents see, which rules hold, what they would do and why they do not; some lines."""
    announced = current(client)
    policy = announced.policy if announced else Policy()
    seen = settled_picture(client, layout, monotonic_ns, sleep)
    decision = decide(seen, diagnose(seen), History(), policy)
    return "\n".join((explain(seen, decision), *_office(holder(client), announced)))


def _office(by: str | None, announced: Announcement | None) -> list[str]:
    """Who decides, by which policy, and what was ruled last: patience and anti-flap are known there only."""
    if announced is None:
        return [f"in office: {by or 'nobody'}; nothing was ever ruled"]
    policy = announced.policy
    flap = f"at most one automatic failover in {policy.anti_flap_s:.0f} s"
    return [
        f"in office: {by or 'nobody'}; mode {policy.mode}, durability {policy.durability}, {flap}",
        f"last ruling, {time_of(announced.at)} by {announced.by} under epoch {announced.epoch}:",
        *(f"  {text}" for text in announced.texts),
    ]


def line(happening: Happening) -> str:
    """One line of the history."""
    return f"{time_of(happening.at)} {happening.by} epoch {happening.epoch}: {happening.text}"


def time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")

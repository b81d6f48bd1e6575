"""Rebuilds that nobody ordered: what speaks against one, and what was done of late. Pure.

A rebuild destroys what the host holds. So it must be certain that nothing is lost by it, and that another
copy stays: one at a time, and seldom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from failover.journal import Entry, Event
from failover.panel import Panel, Picture
from failover.plan import Operation

# The step of an automatic rebuild that orders it (`procedures/rebuild`).
REBUILD = "rebuild"
# Patroni's own word for a host that copies the primary (PostgresqlState).
COPIES = "creating replica"


@dataclass(frozen=True)
class Rebuilds:
    """When the orchestrator last ordered a rebuild without being told to, by host; seconds since 1970."""

    at: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Rebuilds:
        ordered = [each for entry in entries if (each := ordered_at(entry)) is not None]
        return cls(dict(sorted(ordered, key=lambda each: each[1])))

    def ages_s(self, now: float) -> Mapping[str, float]:
        return {host: now - at for host, at in self.at.items()}


def ordered_at(entry: Entry) -> tuple[str, float] | None:
    """Host and time of an automatic rebuild; None if the entry is none, or came to nothing before."""
    if entry.plan.operation is not Operation.AUTOMATIC:
        return None
    step = next((step for step in entry.plan.steps if step.name == REBUILD and step.do), None)
    at = [record.at for record in entry.records if (record.step, record.event) == (REBUILD, Event.INTENT)]
    return (step.do.text("host"), at[0]) if step and step.do and at else None


def against(picture: Picture, host: str, ordered_s: Mapping[str, float], window_s: float) -> Iterator[str]:
    """Every reason, beginning with its guard's name. `ordered_s`: seconds since the last rebuilds, by host.

    `window_s`: who was rebuilt within it and is stranded again needs an operator: it cannot keep up, or the
    primary keeps too little WAL, and neither is cured by copying once more.
    """
    cluster, found = picture.cluster, picture.stranded.get(host)
    if picture.operation is not None:
        yield f"operation: {picture.operation} is under way"
    if cluster is None or cluster.paused:
        yield "pause: Patroni is in maintenance mode, or there is no session to know by"
        return
    if cluster.failover_pending:
        yield "order: Patroni carries out an order to switch"
    if host in cluster.sync.members:
        yield f"synchronous: {host} counts as having every acknowledged write"
    if found is None or found.own:
        why = found.own if found else "it is not known to be stranded any more"
        yield f"own: it may hold transactions that nobody else has: {why}; `twinsite failback` saves them"
    if (last := ordered_s.get(host)) is not None and last < window_s:
        yield f"anti-flap: rebuilt {last:.0f} s ago, within {window_s:.0f} s; an operator must order the next"
    yield from _others(Panel(picture), host, {h: s for h, s in ordered_s.items() if s < window_s})


def _others(panel: Panel, host: str, ordered_s: Mapping[str, float]) -> Iterator[str]:
    """Another synchronous copy stays beside the primary's, and nobody else is being copied."""
    cluster = panel.picture.cluster
    members = cluster.sync.members if cluster else frozenset[str]()
    if not any(_streams(panel, member) for member in members - {host}):
        yield "copies: no synchronous standby streams; this one, old as it is, may be the only other copy"
    for node in panel.picture.layout.databases:
        if node.name in {host, panel.picture.leader}:
            continue
        report = panel.report(node.name)
        if report is not None and report.state == COPIES:
            yield f"one-at-a-time: {node.name} is being copied"
        elif node.name in ordered_s and not _streams(panel, node.name):
            ago = ordered_s[node.name]
            yield f"one-at-a-time: {node.name}, ordered {ago:.0f} s ago, does not stream yet"


def _streams(panel: Panel, host: str) -> bool:
    report = panel.report(host)
    return report is not None and report.running and report.streaming

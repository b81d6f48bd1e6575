"""Answers a plan's checks on the live estate, from the agents' views and Patroni's record.

Where clients wait for the answer, the host itself is looked at (`closeup`). A check that this program cannot
answer does not hold: its step is refused rather than believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from failover.actuators.ports import Fencing, Observation
from failover.closeup import CloseUp
from failover.inspection import Inspector
from failover.model import Unreachable
from failover.panel import Panel, Picture
from failover.preflight import Ends, check, summary
from failover.stranded import Stranded
from failover.verbs import Check, Expectation
from failover.views import ClusterRecord, PoolView

Answer = Callable[[Panel, Expectation], Observation]


# A checkpoint older than this leaves the last one, at the stop, too much to do.
RECENT_S = 30.0


class PoolAnswers(Protocol):
    """What every host has answered to our own last order: surer than a view, and there earlier."""

    def paused_for(self, operation: str) -> bool: ...

    def resumed(self) -> bool: ...


@dataclass(frozen=True)
class Instruments:
    """What the sensors look through.

    `look` costs all agents' views, `cluster` Patroni's record alone, `leader` only who holds the leader key.
    `settled` is a `look` after a time without one, in which no view counts as new (`telling.settle`).
    `preferred_site`: as noted in ZooKeeper. `stranded`: what a standby and its primary say now.
    """

    look: Callable[[], Picture]
    settled: Callable[[], Picture]
    cluster: Callable[[], ClusterRecord]
    leader: Callable[[], str | None]
    fencing: Fencing
    inspector: Inspector
    close_up: CloseUp
    pools: PoolAnswers
    preferred_site: Callable[[], str | None]
    stranded: Callable[[str], Stranded | None]


class LiveSensors:
    """Looks anew for each question."""

    def __init__(self, instruments: Instruments) -> None:
        self._through = instruments
        self._direct: dict[Check, Callable[[Expectation], Observation]] = {
            Check.ALWAYS: lambda _: Observation(holds=True, evidence=""),
            Check.FENCED: self._fenced,
            Check.NOT_FENCED: self._not_fenced,
            Check.PREFLIGHT: self._preflight,
            Check.CHECKPOINT_RECENT: self._checkpoint_recent,
            Check.SHUT_DOWN_CLEANLY: self._shut_down_cleanly,
            Check.IS_PRIMARY: self._is_primary,
            Check.REPLACED: self._replaced,
            Check.ACCEPTS_WRITES: self._accepts_writes,
            Check.SITE_PREFERRED: self._site_preferred,
            Check.KEY_NOT_HELD_BY: self._key_not_held_by,
            Check.POOLS_PAUSED: self._pools_paused,
            Check.POOLS_RUNNING: self._pools_running,
            Check.STRANDED: self._stranded,
        }

    def observe(self, expectation: Expectation) -> Observation:
        if direct := self._direct.get(expectation.check):
            return direct(expectation)
        answer = ANSWERS.get(expectation.check)
        if answer is None:
            return Observation(holds=False, evidence=f"this agent cannot observe {expectation.check}")
        return answer(self._panel(), expectation)

    def _panel(self) -> Panel:
        return Panel(self._through.look())

    def _fenced(self, asked: Expectation) -> Observation:
        host, fencing = asked.text("host"), self._through.fencing
        return Observation(fencing.fenced(host), f"{host}: driver guarantees {fencing.guarantee}")

    def _not_fenced(self, asked: Expectation) -> Observation:
        host = asked.text("host")
        fenced = self._through.fencing.fenced(host)
        return Observation(not fenced, f"{host} is {'held off by the driver' if fenced else 'not held off'}")

    def _preflight(self, asked: Expectation) -> Observation:
        ends = Ends(asked.text("leader"), asked.text("candidate"))
        for host in (ends.leader, ends.candidate):
            self._through.close_up.promoted(host)  # a session with it is there when clients wait
        found = self._through.inspector.inspect((ends.leader, ends.candidate))  # seconds, on a busy machine
        items = check(Panel(self._through.settled()), ends, found)
        return Observation(all(item.holds for item in items), summary(items))

    def _checkpoint_recent(self, asked: Expectation) -> Observation:
        host = asked.text("host")
        server = self._through.inspector.server(host)
        if isinstance(server, Unreachable):
            return Observation(holds=False, evidence=f"{host}: {server.reason}")
        age = server.checkpoint_age_s
        said = f"{host}: last checkpoint {age:.1f} s ago, {server.unflushed_bytes / 1e6:.1f} MB of WAL since"
        return Observation(age <= RECENT_S, said)

    def _shut_down_cleanly(self, asked: Expectation) -> Observation:
        """The postmaster is gone while its Patroni is there: stopped, not lost with its host.

        A clean stop ends only when every connected standby has confirmed the shutdown checkpoint; the
        candidate must be synchronous besides, so that even a mistake here loses nothing (decision 0401).
        """
        host, candidate = asked.text("host"), asked.text("candidate")
        if not self._through.close_up.stopped(host):
            if self._through.close_up.promoted(candidate):
                return Observation(holds=True, evidence=f"{candidate} is not in recovery any more")
            return self._still_there(host)
        sync = self._through.cluster().sync
        if sync.leader == candidate:  # it took the key, as it was synchronous (decision 0210)
            return Observation(holds=True, evidence=f"{host}: PostgreSQL refuses; {candidate} has the key")
        words = (
            f"{host}: PostgreSQL refuses, Patroni is there; synchronous: {', '.join(sorted(sync.members))}"
        )
        return Observation(candidate in sync.members, words)

    def _still_there(self, host: str) -> Observation:
        """Patroni takes away an order that it cannot follow; one that it follows, who takes the key."""
        cluster = self._through.cluster()
        if cluster.leader and cluster.leader.name == host and not cluster.failover_pending:
            dropped = f"{host}: its Patroni has no order to stop, or dropped it; its journal says why"
            return Observation(holds=False, evidence=dropped, hopeless=True)
        return Observation(holds=False, evidence=f"{host}: PostgreSQL listens, or the host is silent")

    def _is_primary(self, asked: Expectation) -> Observation:
        """PostgreSQL's own word first, then the key: a look at everything costs more than one question."""
        host = asked.text("host")
        if not self._through.close_up.promoted(host):
            return Observation(holds=False, evidence=f"{host} is in recovery, or does not answer")
        leader = self._through.leader()
        return Observation(leader == host, f"{host} is not in recovery; the key is {leader or 'nobody'}'s")

    def _replaced(self, asked: Expectation) -> Observation:
        """Another than `host` is primary: `likely`, or whom else of the synchronous members was elected."""
        likely = asked.text("likely")
        expected = self._is_primary(Expectation.of(Check.IS_PRIMARY, host=likely))
        leader = None if expected.holds else self._through.leader()
        if leader in (None, asked.text("host"), likely) or not self._through.close_up.promoted(leader):
            return expected
        return Observation(holds=True, evidence=f"{leader} took over, not {likely}")

    def _accepts_writes(self, asked: Expectation) -> Observation:
        """A write that was acknowledged. `host` any: whoever has the key."""
        host = asked.text("host")
        found = self._through.leader() if host == "any" else host
        if found is None:
            return Observation(holds=False, evidence="nobody has the key")
        refused = self._through.close_up.writes(found)
        return Observation(refused is None, f"{found}: {refused or 'acknowledged a write'}")

    def _key_not_held_by(self, asked: Expectation) -> Observation:
        leader = self._through.leader()
        return Observation(leader != asked.text("host"), f"the key is {leader or 'nobody'}'s")

    def _pools_paused(self, asked: Expectation) -> Observation:
        if self._through.pools.paused_for(asked.text("operation")):
            return Observation(holds=True, evidence="every host answered that it is paused")
        return _pools_paused(self._panel(), asked)

    def _pools_running(self, asked: Expectation) -> Observation:
        if self._through.pools.resumed():
            return Observation(holds=True, evidence="every host answered that it is running")
        return _pools_running(self._panel(), asked)

    def _stranded(self, asked: Expectation) -> Observation:
        """As little as a doubt whether it holds something of its own keeps it as it is."""
        host = asked.text("host")
        found = self._through.stranded(host)
        if found is None:
            return Observation(holds=False, evidence=f"{host} is not known to wait for removed WAL")
        said = "; ".join(text for text in (f"{host} {found.says()}", found.own) if text)
        return Observation(not found.own, said)

    def _site_preferred(self, asked: Expectation) -> Observation:
        preferred = self._through.preferred_site()
        return Observation(preferred == asked.text("site"), f"preferred: {preferred or 'no site'}")


def _is_synchronous(panel: Panel, asked: Expectation) -> Observation:
    cluster = panel.picture.cluster
    members = sorted(cluster.sync.members) if cluster else []
    return Observation(asked.text("host") in members, f"synchronous: {', '.join(members) or 'nobody'}")


def _synchronous_count(panel: Panel, asked: Expectation) -> Observation:
    cluster = panel.picture.cluster
    wanted = cluster.sync_wanted if cluster else None
    return Observation(str(wanted) == asked.text("count"), f"{wanted} standbys are to be synchronous")


def _no_switchover_pending(panel: Panel, _: Expectation) -> Observation:
    cluster = panel.picture.cluster
    pending = cluster is not None and cluster.failover_pending
    return Observation(not pending, "an order to switch is pending" if pending else "no order to switch")


def _streams(panel: Panel, asked: Expectation) -> Observation:
    report = panel.report(asked.text("host"))
    return Observation(report is not None and report.streaming, report.state if report else "no answer")


def _rebuilding(panel: Panel, asked: Expectation) -> Observation:
    """Its PostgreSQL is not that of before any more: it is copied, starts, or streams already."""
    report = panel.report(asked.text("host"))
    if report is None:
        return Observation(holds=False, evidence="no answer")
    return Observation(not report.running or report.streaming, report.state)


def _host_held(panel: Panel, asked: Expectation) -> Observation:
    """Noted, and nobody waits for it any more."""
    host = asked.text("host")
    synchronous = _is_synchronous(panel, Expectation.of(Check.IS_SYNCHRONOUS, host=host))
    noted = panel.maintained(host)
    words = f"{host} is {'held' if noted else 'in service'}; {synchronous.evidence}"
    return Observation(noted and not synchronous.holds, words)


def _host_returned(panel: Panel, asked: Expectation) -> Observation:
    held = panel.maintained(asked.text("host"))
    return Observation(not held, f"{asked.text('host')} is {'held' if held else 'in service'}")


def _pools(panel: Panel) -> dict[str, PoolView]:
    return {view.observer: view.pool for view in panel.fresh if view.pool is not None}


def _pools_paused(panel: Panel, asked: Expectation) -> Observation:
    pools = _pools(panel)
    ours = asked.text("operation")
    running = [host for host, pool in pools.items() if not pool.paused or pool.operation != ours]
    return Observation(
        bool(pools) and not running, f"running: {', '.join(running) or 'none'} of {len(pools)}"
    )


def _pools_running(panel: Panel, _: Expectation) -> Observation:
    paused = [host for host, pool in _pools(panel).items() if pool.paused]
    return Observation(not paused, f"paused: {', '.join(paused) or 'none'}")


ANSWERS: dict[Check, Answer] = {
    Check.IS_SYNCHRONOUS: _is_synchronous,
    Check.SYNCHRONOUS_COUNT: _synchronous_count,
    Check.NO_SWITCHOVER_PENDING: _no_switchover_pending,
    Check.STREAMS: _streams,
    Check.REBUILDING: _rebuilding,
    Check.HOST_HELD: _host_held,
    Check.HOST_RETURNED: _host_returned,
}

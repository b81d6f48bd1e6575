"""Answers a plan's checks on the live estate, from the agents' views and Patroni's record.

A check that this program cannot answer does not hold: its step is refused rather than believed.
"""

from __future__ import annotations

from collections.abc import Callable

from failover.actuators.ports import Fencing, Observation
from failover.panel import Panel, Picture
from failover.verbs import Check, Expectation
from failover.views import Outcome, PoolView

Answer = Callable[[Panel, Expectation], Observation]


class LiveSensors:
    """Looks anew for each question."""

    def __init__(self, look: Callable[[], Picture], fencing: Fencing) -> None:
        self._look = look
        self._fencing = fencing

    def observe(self, expectation: Expectation) -> Observation:
        if expectation.check is Check.ALWAYS:
            return Observation(holds=True, evidence="")
        if expectation.check is Check.FENCED:
            return self._is_fenced(expectation.text("host"))
        answer = ANSWERS.get(expectation.check)
        if answer is None:
            return Observation(holds=False, evidence=f"this agent cannot observe {expectation.check}")
        return answer(Panel(self._look()), expectation)

    def _is_fenced(self, host: str) -> Observation:
        return Observation(self._fencing.fenced(host), f"{host}: driver guarantees {self._fencing.guarantee}")


def _is_primary(panel: Panel, asked: Expectation) -> Observation:
    host, leader = asked.text("host"), _leader(panel)
    report = panel.report(host)
    holds = leader == host and report is not None and report.writable
    state = f"{report.state} on timeline {report.timeline}" if report else "no answer"
    return Observation(holds, f"the key is {leader or 'nobody'}'s; {host}: {state}")


def _accepts_writes(panel: Panel, asked: Expectation) -> Observation:
    """A primary with the key, and an open PostgreSQL port, as the observers see it."""
    host = asked.text("host")
    found = _leader(panel) if host == "any" else host
    if found is None:
        return Observation(holds=False, evidence="nobody has the key")
    primary = _is_primary(panel, Expectation.of(Check.IS_PRIMARY, host=found))
    open_ports = [view for _, view in panel.signals(found) if view.postgres.answers]
    return Observation(
        primary.holds and bool(open_ports), f"{primary.evidence}; {len(open_ports)} observers connect"
    )


def _key_not_held_by(panel: Panel, asked: Expectation) -> Observation:
    leader = _leader(panel)
    return Observation(leader != asked.text("host"), f"the key is {leader or 'nobody'}'s")


def _is_synchronous(panel: Panel, asked: Expectation) -> Observation:
    cluster = panel.picture.cluster
    members = sorted(cluster.sync.members) if cluster else []
    return Observation(asked.text("host") in members, f"synchronous: {', '.join(members) or 'nobody'}")


def _shut_down_cleanly(panel: Panel, asked: Expectation) -> Observation:
    """The postmaster is gone while its Patroni answers: stopped, not lost with its host.

    A clean stop ends only when every connected standby has confirmed the shutdown checkpoint; the candidate
    must be synchronous besides, so that even a mistake here loses nothing (decision 0401).
    """
    host, candidate = asked.text("host"), asked.text("candidate")
    views = [view for _, view in panel.signals(host)]
    gone = any(view.postgres.outcome is Outcome.REFUSED for view in views)
    patroni = any(view.rest.answers for view in views)
    synchronous = _is_synchronous(panel, Expectation.of(Check.IS_SYNCHRONOUS, host=candidate))
    handed_over = _leader(panel) == candidate
    words = f"PostgreSQL {'refuses' if gone else 'is there'}, Patroni {'answers' if patroni else 'is silent'}"
    return Observation(
        handed_over or (gone and patroni and synchronous.holds), f"{host}: {words}; {synchronous.evidence}"
    )


def _no_switchover_pending(panel: Panel, _: Expectation) -> Observation:
    cluster = panel.picture.cluster
    pending = cluster is not None and cluster.failover_pending
    return Observation(not pending, "an order to switch is pending" if pending else "no order to switch")


def _streams(panel: Panel, asked: Expectation) -> Observation:
    report = panel.report(asked.text("host"))
    return Observation(report is not None and report.streaming, report.state if report else "no answer")


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


def _leader(panel: Panel) -> str | None:
    cluster = panel.picture.cluster
    return cluster.leader.name if cluster and cluster.leader else None


ANSWERS: dict[Check, Answer] = {
    Check.IS_PRIMARY: _is_primary,
    Check.ACCEPTS_WRITES: _accepts_writes,
    Check.KEY_NOT_HELD_BY: _key_not_held_by,
    Check.IS_SYNCHRONOUS: _is_synchronous,
    Check.SHUT_DOWN_CLEANLY: _shut_down_cleanly,
    Check.NO_SWITCHOVER_PENDING: _no_switchover_pending,
    Check.STREAMS: _streams,
    Check.POOLS_PAUSED: _pools_paused,
    Check.POOLS_RUNNING: _pools_running,
}

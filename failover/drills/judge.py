"""Turns a drill's record into its verdict. Pure: nothing here reads a clock, a file or a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from failover.drills import feed, figures, phases
from failover.drills.checker import Finding, Violation, check, subjects, writer_intervals
from failover.drills.model import Estate, Event, FinalState, Operation, OrchestratorMode, Outcome
from failover.drills.moments import Mark, Moments
from failover.drills.scenarios import Budget, Leadership, Scenario
from failover.drills.verdict import (
    CardTransactions,
    Check,
    Events,
    Machine,
    Phases,
    Requests,
    Rpo,
    Throughput,
    Verdict,
    Webhooks,
)
from failover.drills.webhooks import check_webhooks, webhooks

# How many of a violation's subjects a reason names; all of them are in findings.json.
NAMED_MAX = 3
# What is said of every promise about rows when there was no primary to read them from.
NOT_COMPARED = "What the databases hold was not compared: no primary could be read"


@dataclass(frozen=True, slots=True)
class Record:
    """What a drill left behind. `trouble` is what kept the runner from finishing its parts."""

    scenario: Scenario
    estate: Estate
    events: Sequence[Event]
    operations: Sequence[Operation]
    final: FinalState
    trouble: tuple[str, ...]
    run_id: str
    profile: str
    seed: int
    started_at: str
    duration_s: float
    machine: Machine
    versions: Mapping[str, str]
    orchestrator: OrchestratorMode

    @property
    def acts(self) -> bool:
        return self.orchestrator is OrchestratorMode.ACTIVE

    @property
    def budget(self) -> Budget:
        """What the verdict allows: with an orchestrator that acts, less than with Patroni alone."""
        return (self.scenario.acting if self.acts else None) or self.scenario.budget


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures that budget and aim are held against."""

    rto_s: float | None
    write_stall_max_s: float | None
    requests: Requests
    throughput: Throughput
    card_transactions: CardTransactions
    writers_max: int
    unwatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the CRM's events told, each way."""

    events: Events
    webhooks: Webhooks

    def of(self, violation: Violation) -> str | None:
        """Return what came the way that the violation would break, None for one of the rows."""
        if violation in _OF_THE_FEED:
            return f"none: {self.events.told} events told of {self.events.writes} of them"
        if violation in _OF_WEBHOOKS:
            return f"none: {self.webhooks.delivered} events delivered of {self.webhooks.writes} of them"
        return None


def judge(record: Record) -> tuple[Verdict, tuple[Finding, ...]]:
    """Return the verdict, and every finding of the checker behind it."""
    moments = Moments.of(record.events)
    measured = _measure(record, moments)
    findings = (
        *check(record.operations, record.final, record.run_id),
        *feed.check_feed(record.operations, record.final, record.run_id),
        *check_webhooks(record.events, record.operations, record.final, record.run_id),
    )
    told = _told(record, findings, moments)
    checks = (
        *_trouble(record),
        *_service(record.budget, measured),
        *_leadership(record),
        *_ledger(findings, record, measured.card_transactions.acknowledged, told),
    )
    verdict = Verdict(
        scenario=record.scenario.name,
        passed=all(check.passed for check in checks),
        reasons=tuple(dict.fromkeys(check.detail for check in checks if not check.passed)),
        rto_s=measured.rto_s,
        write_stall_max_s=measured.write_stall_max_s,
        rpo=_rpo(record, findings),
        requests=measured.requests,
        throughput=measured.throughput,
        card_transactions=measured.card_transactions,
        events=told.events,
        webhooks=told.webhooks,
        writers_max=measured.writers_max,
        phases=_phases(record, moments, measured.rto_s),
        machine=record.machine,
        versions=record.versions,
        started_at=record.started_at,
        duration_s=round(record.duration_s, 1),
        healing_s=moments.seconds(Mark.HEALING, Mark.HEALED),
        parity_s=moments.seconds(Mark.HEALING, Mark.PARITY),
        profile=record.profile,
        seed=record.seed,
        run_id=record.run_id,
        orchestrator=str(record.orchestrator),
        must_fail=record.scenario.must_fail,
        checks=checks,
        aims=tuple(_aims(record, measured)),
    )
    return verdict, findings


def _told(record: Record, findings: Sequence[Finding], moments: Moments) -> Told:
    compared = record.final.primary is not None
    return Told(
        feed.events(record.operations, findings, moments, compared=compared),
        webhooks(record.events, record.operations, findings, moments, compared=compared),
    )


def _measure(record: Record, moments: Moments) -> Measured:
    databases = [host.name for host in record.estate.members("postgresql")]
    return Measured(
        rto_s=figures.rto_s(record.operations, moments),
        write_stall_max_s=figures.write_stall_max_s(record.operations, moments),
        requests=figures.requests(record.operations),
        throughput=figures.throughput(record.operations, moments),
        card_transactions=figures.card_transactions(record.operations, moments),
        writers_max=figures.writers_max(record.events),
        unwatched=figures.unwatched(record.events, databases, moments),
    )


def _phases(record: Record, moments: Moments, rto_s: float | None) -> Phases:
    names = {host.address: host.name for host in record.estate.hosts}
    return phases.durations(phases.instants(record.events, moments, rto_s, names), moments)


def _rpo(record: Record, findings: Sequence[Finding]) -> Rpo:
    compared = record.final.primary is not None

    def affected(violation: Violation) -> int | None:
        return len(subjects(findings, violation)) if compared else None

    return Rpo(
        acknowledged=sum(operation.acknowledged for operation in record.operations),
        lost=affected(Violation.LOST),
        duplicated=affected(Violation.DUPLICATED),
        phantom=affected(Violation.PHANTOM),
        unknown=sum(op.is_write and op.outcome is Outcome.INFO for op in record.operations),
    )


def _trouble(record: Record) -> Iterator[Check]:
    detail = "; ".join(record.trouble) or "every part of the drill was reached, and the estate is whole again"
    yield Check("The drill ran to its end", not record.trouble, detail)


def _service(budget: Budget, measured: Measured) -> Iterator[Check]:
    rate = measured.throughput.before_rps
    loaded = rate is not None and rate > 0
    yield Check("The load ran before the fault", loaded, f"{rate or 0} operations a second before the fault")
    yield from _felt(budget, measured)
    requests = measured.requests
    yield _within("No user gave up", requests.gave_up, budget.gave_up_max, "operations given up")
    yield _within("Nothing valid was refused", requests.refused, budget.refused_max, "operations refused")
    yield _one_writer(measured.writers_max, measured.unwatched)


def _aims(record: Record, measured: Measured) -> Iterator[Check]:
    """What an orchestrator that acts is measured by."""
    if record.acts and record.scenario.aim is not None:
        yield from _felt(record.scenario.aim, measured)


def _felt(limits: Budget, measured: Measured) -> Iterator[Check]:
    """What clients felt, in time and in failed attempts."""
    yield _timed("Writes came back in time", measured.rto_s, limits.rto_s, "s from fault to write")
    if limits.write_stall_max_s is not None:
        stall = measured.write_stall_max_s
        yield _timed("Writes never stalled too long", stall, limits.write_stall_max_s, "s without a write")
    if limits.failed_max is not None:
        failed = measured.requests.failed
        yield _timed("Few requests failed", failed, limits.failed_max, "failed attempts")


def _leadership(record: Record) -> Iterator[Check]:
    """Where the primary has to stay, every write of the run is acknowledged by one node on one timeline."""
    if record.scenario.leadership is not Leadership.STAYS:
        return
    writers = writer_intervals(record.operations)
    named = ", ".join(f"{writer.node} on timeline {writer.timeline}" for writer in writers)
    yield Check("The primary stayed", len(writers) == 1, f"writes were acknowledged by {named or 'nobody'}")


def _timed(name: str, found: float | None, limit: float, unit: str) -> Check:
    return replace(_within(name, found, limit, unit), timed=True)


def _within(name: str, found: float | None, limit: float, unit: str) -> Check:
    if found is None:
        return Check(name, passed=False, detail=f"never reached: no figure of {unit}, limit {limit:g}")
    return Check(name, found <= limit, f"{found:g} {unit}, limit {limit:g}")


def _one_writer(writers_max: int, unwatched: Sequence[str]) -> Check:
    name = "One writer at a time"
    if writers_max == 0:
        return Check(name, passed=False, detail="the observer saw no node accept a write: nothing is proven")
    if unwatched and writers_max == 1:
        detail = f"nothing is proven of {', '.join(unwatched)}: not sampled to the load's end"
        return Check(name, passed=False, detail=detail)
    nodes = "1 node" if writers_max == 1 else f"{writers_max} nodes"
    return Check(name, writers_max == 1, f"at most {nodes} accepted a write at one moment")


def _ledger(findings: Sequence[Finding], record: Record, fed: int, told: Told) -> Iterator[Check]:
    acknowledged = sum(operation.acknowledged for operation in record.operations)
    compared = sum(node.is_primary or node.caught_up for node in record.final.nodes)
    for violation in Violation:
        if record.final.primary is None and violation in _NEEDS_ROWS:
            yield Check(_PROMISES[violation], passed=False, detail=NOT_COMPARED)
            continue
        affected = sorted(subjects(findings, violation))
        writes = f"{acknowledged} acknowledged writes with {fed} card transactions"
        detail = told.of(violation) or f"none among {writes}, compared on {compared} nodes"
        if affected:
            more = ", …" if len(affected) > NAMED_MAX else ""
            detail = f"{violation.capitalize()}: {len(affected)} ({', '.join(affected[:NAMED_MAX])}{more})"
        yield Check(_PROMISES[violation], not affected, detail)


_NEEDS_ROWS = {
    Violation.LOST,
    Violation.DUPLICATED,
    Violation.PHANTOM,
    Violation.TORN,
    Violation.EXECUTED_TWICE,
    Violation.EXECUTION_UNRECORDED,
    Violation.READ_LOST,
    Violation.PHANTOM_EVENT,
    Violation.PHANTOM_DELIVERY,
}
_PROMISES = {
    Violation.LOST: "No acknowledged write is lost",
    Violation.DUPLICATED: "No write is stored twice",
    Violation.PHANTOM: "No refused write is stored",
    Violation.TORN: "Every write is stored whole or not at all",
    Violation.EXECUTED_TWICE: "Every idempotency key was executed once",
    Violation.EXECUTION_UNRECORDED: "Every acknowledged write's key is recorded",
    Violation.READ_LOST: "Nothing that was read is lost later",
    Violation.TWO_WRITERS: "Acknowledging intervals of nodes never overlap",
    Violation.NOT_LINEARIZABLE: "Every request's transitions have one order",
    Violation.UNVERIFIED: "Every database node was compared",
    Violation.UNTOLD: "Every acknowledged write left an event, and it was told",
    Violation.EVENTS_DISORDERED: "Each entity's events are told in their order",
    Violation.EVENTS_CHANGED: "What the feed told once, it never tells otherwise",
    Violation.CURSOR_BROKEN: "Every cursor stays valid and skips nothing",
    Violation.PHANTOM_EVENT: "Nothing is told that does not exist",
    Violation.UNDELIVERED: "Every acknowledged write's event was delivered to the subscriber",
    Violation.DELIVERIES_DISORDERED: "Each entity's events are delivered in their order",
    Violation.DELIVERIES_CHANGED: "What is delivered is what the feed tells",
    Violation.FORGED: "Every delivery is signed",
    Violation.PHANTOM_DELIVERY: "Nothing is delivered that does not exist",
}
_OF_THE_FEED = {
    Violation.UNTOLD,
    Violation.EVENTS_DISORDERED,
    Violation.EVENTS_CHANGED,
    Violation.CURSOR_BROKEN,
    Violation.PHANTOM_EVENT,
}
_OF_WEBHOOKS = {
    Violation.UNDELIVERED,
    Violation.DELIVERIES_DISORDERED,
    Violation.DELIVERIES_CHANGED,
    Violation.FORGED,
    Violation.PHANTOM_DELIVERY,
}

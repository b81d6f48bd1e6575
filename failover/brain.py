"""The elected agent's work, one tick at a time: look, diagnose, decide, record, act. Clock injected."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from failover.conditions import Condition, Diagnosis
from failover.decide import Decision, History, Mode, Policy, Ruling, decide
from failover.diagnosis import diagnose
from failover.flapping import Failovers
from failover.journal import Entry, Event, JournalStore
from failover.panel import Panel, Picture
from failover.plan import Operation
from failover.procedures import failover
from failover.rebuilds import Rebuilds
from failover.runner import Clock, Runner

log = logging.getLogger(__name__)

# While an operation runs: often enough for a failover, seldom enough not to slow the operation.
LOOKS_EVERY_S = 0.5
BEGINNINGS = frozenset({Event.INTENT, Event.UNDO_INTENT})


class Office(Protocol):
    """What the brain needs of leadership."""

    @property
    def epoch(self) -> int: ...

    def campaign(self) -> bool: ...

    def resign(self) -> None: ...


class Chronicle(Protocol):
    """Where rulings are recorded, and what came of them."""

    def rulings(self, texts: tuple[str, ...], stable: tuple[str, ...]) -> None: ...

    def write(self, text: str) -> None: ...


class Gate(Protocol):
    """The write gate, told only when it has to change."""

    def close(self) -> str: ...

    def open(self) -> str: ...


class OrderDesk(Protocol):
    """Where operators' requests arrive."""

    def next_order(self, picture: Picture) -> Entry | None: ...

    def wants_forward(self, entry: Entry) -> bool: ...

    def aborts(self, entry: Entry) -> str | None: ...


class Persistence:
    """For how long each finding has been seen without a break."""

    def __init__(self) -> None:
        self._since: dict[tuple[Condition, str], float] = {}

    def update(self, diagnosis: Diagnosis, now_s: float) -> dict[tuple[Condition, str], float]:
        keys = {(finding.condition, finding.subject) for finding in diagnosis.findings}
        self._since = {key: self._since.get(key, now_s) for key in keys}
        return {key: now_s - since for key, since in self._since.items()}


@dataclass(frozen=True)
class Standing:
    """This agent's place. `preferred`: it stands on the witness. Others let it go first."""

    name: str
    preferred: bool
    preferred_sites: frozenset[str]
    stand_back_s: float = 1.0


class Brain:
    """Ticks. What goes wrong with ZooKeeper ends a tick with DeposedError or kazoo's own errors."""

    def __init__(
        self,
        *,
        standing: Standing,
        policy: Policy,
        office: Office,
        look: Callable[[], Picture],
        journal: JournalStore,
        runner: Runner,
        chronicle: Chronicle,
        gate: Gate,
        clock: Clock,
        desk: OrderDesk,
        housekeeping: Callable[[], None] | None = None,
        acknowledged_at: Callable[[], float | None] | None = None,
    ) -> None:
        self._acknowledged_at = acknowledged_at or (lambda: None)
        self._housekeeping = housekeeping or (lambda: None)
        self._standing, self._policy, self._office, self._look = standing, policy, office, look
        self._journal, self._runner, self._chronicle, self._gate = journal, runner, chronicle, gate
        self._clock, self._desk = clock, desk
        runner.heed(self.interruption)
        self._persistence = Persistence()
        self._vacant_since: float | None = None
        self._epoch = -1
        self._gate_closed: bool | None = None
        self._failovers, self._rebuilds = Failovers(), Rebuilds()
        self._looked_at = 0.0

    def tick(self) -> Decision | None:
        """One round. None: another is in office."""
        if not self._in_office():
            return None
        picture = self._look()
        decision = self._decide(picture)
        # Not while a loss waits for its confirmation: whoever comes next begins with it anew.
        if self._better_is_there(picture) and not decision.may_act:
            log.info("an agent of %s is back: resigning", ", ".join(self._standing.preferred_sites))
            self._office.resign()
            return None
        self._record(decision)
        self._set_gate(decision)
        if decision.act is not None:
            self._act(decision.act)
        elif picture.operation is not None:
            self._finish()
        elif (entry := self._desk.next_order(picture)) is not None:
            self._carry_out(entry)
        return decision

    def _decide(self, picture: Picture) -> Decision:
        recent = self._recent_failovers()
        picture = replace(picture, recent_failovers=len(recent.at))
        diagnosis = diagnose(picture)
        return decide(picture, diagnosis, self._history(diagnosis, recent), self._policy)

    def _finish(self) -> None:
        """Open between two ticks: a ZooKeeper that did not answer interrupted it, nobody else runs any."""
        if self._policy.mode is Mode.ACTIVE:
            self._begin_term()

    def interruption(self, entry: Entry) -> str | None:
        """Why an operation under way has to end: an operator's word, or a loss that cannot wait for it."""
        return self._desk.aborts(entry) or self._pressing(entry)

    def _pressing(self, entry: Entry) -> str | None:
        """A loss for which the primary would be replaced now if this operation were not.

        Only for what was ordered: an automatic failover is not interrupted by what it answers.
        """
        now = self._clock.monotonic()
        if entry.plan.operation is Operation.AUTOMATIC or now - self._looked_at < LOOKS_EVERY_S:
            return None
        self._looked_at = now
        act = self._decide(replace(self._look(), operation=None)).act
        return act.explain() if act is not None and act.row.replaces_primary else None

    def _in_office(self) -> bool:
        """Others let the preferred agent go first. A new term begins with what the last one left open."""
        now = self._clock.monotonic()
        self._vacant_since = self._vacant_since if self._vacant_since is not None else now
        patient = now - self._vacant_since >= self._standing.stand_back_s
        if not (self._standing.preferred or patient or self._office.epoch == self._epoch != -1):
            return False
        if not self._office.campaign():
            self._vacant_since, self._epoch = now, -1
            return False
        if self._office.epoch != self._epoch:
            self._epoch = self._office.epoch
            self._begin_term()
        return True

    def _begin_term(self) -> None:
        self._persistence, self._gate_closed = Persistence(), None
        if self._policy.mode is Mode.ACTIVE and (left := self._journal.current()) is not None:
            ended = self._runner.take_over(abort=not self._desk.wants_forward(left))
            self._chronicle.write(f"taken over: {course(ended or left)}")
        self._housekeeping()
        self._remember()

    def _better_is_there(self, picture: Picture) -> bool:
        if self._standing.preferred or picture.operation is not None:
            return False
        return any(Panel(picture).speaking(site) for site in self._standing.preferred_sites)

    def _history(self, diagnosis: Diagnosis, recent: Failovers) -> History:
        held = self._persistence.update(diagnosis, self._clock.monotonic())
        now = self._clock.wall()
        return History(held, recent.last_s(now), self._rebuilds.ages_s(now))

    def _recent_failovers(self) -> Failovers:
        """Those within the windows that no operator has acknowledged; asked for only if there are any."""
        window_s = max(self._policy.anti_flap_s, self._policy.flapping_s)
        recent = self._failovers.since(self._clock.wall() - window_s)
        acknowledged = self._acknowledged_at() if recent.at else None
        return recent if acknowledged is None else recent.since(acknowledged)

    def _remember(self) -> None:
        """Reads the journal: at the start of a term and after each act, not at each tick."""
        entries = self._journal.entries()
        self._failovers, self._rebuilds = Failovers.of(entries), Rebuilds.of(entries)

    def _record(self, decision: Decision) -> None:
        texts = tuple(ruling.explain() for ruling in decision.rulings)
        stable = tuple(f"{r.row.rule} {r.finding.subject} {sorted(_kinds(r))}" for r in decision.rulings)
        self._chronicle.rulings(texts, stable)

    def _set_gate(self, decision: Decision) -> None:
        if decision.writes_closed != self._gate_closed:
            self._gate_closed = decision.writes_closed
            log.warning("%s", self._gate.close() if decision.writes_closed else self._gate.open())

    def _act(self, ruling: Ruling) -> None:
        plan = failover.automatic(ruling)
        number = f"{int(self._clock.wall())}-{plan.operation}"
        entry = Entry(number, plan, self._standing.name, ruling.explain())
        self._carry_out(entry)

    def _carry_out(self, entry: Entry) -> None:
        ended = self._runner.start(entry)
        self._remember()
        self._chronicle.write(course(ended))


def _kinds(ruling: Ruling) -> set[str]:
    return {reason.partition(":")[0] for reason in ruling.against}


def course(entry: Entry) -> str:
    """What an operation came to, with the seconds from its first record to the end of each step."""
    began = entry.records[0].at if entry.records else 0.0
    ends = (record for record in entry.records if record.step and record.event not in BEGINNINGS)
    steps = (
        f"{record.step} {'' if record.event is Event.DONE else f'{record.event} '}+{record.at - began:.2f} s"
        for record in ends
    )
    return f"{entry.plan.title}: {entry.outcome} ({', '.join(steps)})"

"""From a diagnosis to what is done about it now, with the reasons for and against. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from failover import rebuilds
from failover.candidates import Choice, choose
from failover.conditions import Condition, Diagnosis, Finding
from failover.panel import Picture
from failover.transitions import TABLE, Durability, Reaction, Row, row_for
from failover.verbs import Instruction, Verb


class Mode(StrEnum):
    """ACTIVE acts. OBSERVE decides and records, and acts on nothing."""

    ACTIVE = "active"
    OBSERVE = "observe-only"


@dataclass(frozen=True)
class Policy:
    """What the operators of this estate want.

    `anti_flap_s`: at most one automatic failover in this time. `flapping_s`: within this, as many as the
    thresholds name are flapping, and the next one needs an operator.
    """

    mode: Mode = Mode.ACTIVE
    durability: Durability = Durability.AVAILABLE
    anti_flap_s: float = 900.0
    flapping_s: float = 3600.0


@dataclass(frozen=True)
class History:
    """What went before. `held_s`: for how long each (condition, subject) has been seen without a break.

    `last_failover_s`: seconds since the last automatic failover; None: none, or an operator acknowledged it.
    `rebuilt_s`: seconds since the last automatic rebuild was ordered, by host.
    """

    held_s: Mapping[tuple[Condition, str], float] = field(default_factory=dict)
    last_failover_s: float | None = None
    rebuilt_s: Mapping[str, float] = field(default_factory=dict)

    def held(self, finding: Finding) -> float:
        return self.held_s.get((finding.condition, finding.subject), 0.0)


@dataclass(frozen=True)
class Ruling:
    """What one finding leads to. `against` is empty exactly when the row's reaction takes place now."""

    finding: Finding
    row: Row
    instructions: tuple[Instruction, ...]
    against: tuple[str, ...]

    @property
    def acts(self) -> bool:
        return self.row.reaction is Reaction.ACT and not self.against

    @property
    def alarms(self) -> bool:
        """An alarm is due: its own, that of an act that is kept from happening, or of the act itself."""
        return self.row.reaction in (
            Reaction.ALARM,
            Reaction.REFUSE,
            Reaction.ACT,
        ) and "patience" not in _kinds(self)

    def explain(self) -> str:
        """One sentence: what it does, or would do and why it does not."""
        what = ", ".join(str(each) for each in self.instructions) or f"{self.row.reaction}"
        head = f"[{self.row.rule}] {self.finding.condition} ({self.finding.subject})"
        if self.against:
            return f"{head}: would {what}; does not, because {'; '.join(self.against)}"
        return f"{head}: {what}, because {'; '.join(self.finding.evidence)}"


def _kinds(ruling: Ruling) -> set[str]:
    return {reason.partition(":")[0] for reason in ruling.against}


@dataclass(frozen=True)
class Decision:
    """A ruling for every finding, gravest first. At most one changes who is primary."""

    rulings: tuple[Ruling, ...]

    @property
    def act(self) -> Ruling | None:
        """The gravest ruling that acts and is carried out as an operation."""
        gate = {Verb.CLOSE_WRITES}
        return next((ruling for ruling in self.rulings if ruling.acts and {*ruling.row.verbs} - gate), None)

    @property
    def may_act(self) -> bool:
        """Something holds that is acted on, now or when nothing speaks against it any more.

        A rebuild is not meant: it can wait for whoever is in office next, and may have to for ever.
        """
        return any(ruling.row.reaction is Reaction.ACT and not ruling.row.rebuilds for ruling in self.rulings)

    @property
    def writes_closed(self) -> bool:
        """The gate follows the condition: closed as long as a rule says so, open otherwise."""
        return any(ruling.acts and Verb.CLOSE_WRITES in ruling.row.verbs for ruling in self.rulings)

    @property
    def alarms(self) -> tuple[Ruling, ...]:
        return tuple(ruling for ruling in self.rulings if ruling.alarms)


def decide(
    picture: Picture,
    diagnosis: Diagnosis,
    history: History,
    policy: Policy,
    table: tuple[Row, ...] = TABLE,
) -> Decision:
    """Rules on every finding. Only the gravest finding may replace the primary."""
    return Decision(
        tuple(
            _rule(picture, finding, history, policy, row_for(finding.condition, policy.durability, table))
            for finding in diagnosis.findings
            if finding is diagnosis.main
            or not row_for(finding.condition, policy.durability, table).replaces_primary
        )
    )


@dataclass(frozen=True)
class _Case:
    picture: Picture
    finding: Finding
    history: History
    policy: Policy
    row: Row
    choice: Choice


def _rule(picture: Picture, finding: Finding, history: History, policy: Policy, row: Row) -> Ruling:
    choice = choose(picture, finding) if row.replaces_primary else Choice(None, ())
    case = _Case(picture, finding, history, policy, row, choice)
    return Ruling(finding, row, _instructions(case), tuple(_against(case)))


def _against(case: _Case) -> Iterator[str]:
    """Every guard that keeps the row from reacting now. Each reason begins with the guard's name."""
    if not case.finding.confirmed:
        yield f"confirmation: {case.finding.missing}"
    held = case.history.held(case.finding)
    if held < case.row.patience_s:
        yield f"patience: it has held for {held:.1f} s of {case.row.patience_s:.1f} s"
    if case.row.reaction is not Reaction.ACT:
        return
    if case.policy.mode is Mode.OBSERVE:
        yield "mode: observe-only"
    if case.row.replaces_primary:
        yield from _against_failover(case)
    if case.row.rebuilds:
        subject, window_s = case.finding.subject, case.policy.flapping_s
        yield from rebuilds.against(case.picture, subject, case.history.rebuilt_s, window_s)


def _against_failover(case: _Case) -> Iterator[str]:
    picture, choice = case.picture, case.choice
    if picture.operation is not None:
        yield f"operation: {picture.operation} is under way"
    if picture.cluster is not None and picture.cluster.paused:
        yield "pause: Patroni is in maintenance mode"
    stopped = case.finding.condition is Condition.PRIMARY_PROCESS_DOWN
    if stopped and picture.cluster is not None and picture.cluster.failover_pending:
        yield "order: Patroni carries out an order to switch, and stopped it for that"
    last, window = case.history.last_failover_s, case.policy.anti_flap_s
    if last is not None and last < window:
        yield (
            f"anti-flap: the last automatic failover was {last:.0f} s ago, within {window:.0f} s;"
            " an operator must order or acknowledge it"
        )
    if picture.recent_failovers >= picture.thresholds.flapping_failovers:
        yield (
            f"flapping: {picture.recent_failovers} automatic failovers of late;"
            " an operator must order the next one or acknowledge them"
        )
    if choice.candidate is None:
        yield f"candidate: nobody may be promoted ({'; '.join(choice.reasons) or 'no standby'})"


def _instructions(case: _Case) -> tuple[Instruction, ...]:
    """The row's verbs with everything pinned that was diagnosed: owner, session, version of /sync."""
    row, cluster, candidate = case.row, case.picture.cluster, case.choice.candidate
    if row.rebuilds:
        return tuple(Instruction.of(verb, host=case.finding.subject) for verb in row.verbs)
    if not row.replaces_primary:
        return tuple(Instruction.of(verb, subject=case.finding.subject) for verb in row.verbs)
    if cluster is None or cluster.leader is None or candidate is None:
        return ()
    release = Instruction.of(
        Verb.RELEASE_LEADER_KEY,
        leader=cluster.leader.name,
        session=cluster.leader.session,
        candidate=candidate,
        sync_version=cluster.sync.version,
    )
    return tuple(
        release if verb is Verb.RELEASE_LEADER_KEY else Instruction.of(verb, host=cluster.leader.name)
        for verb in row.verbs
    )

"""Unplanned: the automatic failover that a ruling asks for, and the one that an operator orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from failover.decide import Ruling
from failover.exposure import Exposure
from failover.plan import Operation, Plan, Step
from failover.procedures import rebuild
from failover.verbs import ALWAYS, Check, Expectation, Instruction, Verb

FENCE_BUDGET_S = 0.5
CONFIRM_FENCE_S = 15.0
# A power switch that could not be reached may be a moment later.
CONFIRM_FENCE_AGAIN_S = 3.0


def automatic(ruling: Ruling) -> Plan:
    """The plan of an act: each instruction of the ruling as its steps, then the proof that it worked."""
    steps = tuple(step for order in ruling.instructions for step in STEPS[order.verb](order))
    order = next((each for each in ruling.instructions if each.verb is Verb.RELEASE_LEADER_KEY), None)
    title = f"[{ruling.row.rule}] {ruling.finding.condition} ({ruling.finding.subject})"
    if order is None:
        return Plan(Operation.AUTOMATIC, title, steps)
    leader, candidate = order.text("leader"), order.text("candidate")
    release = next(place for place, step in enumerate(steps) if step.commits)
    proof = (_promoted(leader, candidate), _routed(candidate), _running(), _writes())
    return Plan(
        Operation.AUTOMATIC,
        f"{title}: {candidate} takes over",
        (*steps[: release + 1], *proof, *steps[release + 1 :]),
    )


def _fence(order: Instruction) -> Step:
    host = order.text("host")
    return Step(
        "fence",
        f"fence {host} as far as the driver can in {FENCE_BUDGET_S:g} s",
        ALWAYS,
        do=order,
        timeout_s=FENCE_BUDGET_S,
        optional=True,
        unconditional=True,
    )


def _release(order: Instruction) -> Step:
    leader, candidate = order.text("leader"), order.text("candidate")
    return Step(
        "release",
        f"release the leader key of {leader}, if it is still the same session's, for {candidate}",
        Expectation.of(Check.KEY_NOT_HELD_BY, host=leader),
        do=order,
        timeout_s=2.0,
        commits=True,
    )


def _confirm_fence(order: Instruction) -> Step:
    host = order.text("host")
    return Step(
        "confirm-fence",
        f"make sure that {host} is off, where the driver can tell",
        Expectation.of(Check.FENCED, host=host),
        do=order,
        timeout_s=CONFIRM_FENCE_S,
        optional=True,
        unconditional=True,
        again_s=CONFIRM_FENCE_AGAIN_S,
    )


def _resume_pools(order: Instruction) -> Step:
    return Step("resume", "resume every pool", Expectation.of(Check.POOLS_RUNNING), do=order, optional=True)


STEPS: dict[Verb, Callable[[Instruction], tuple[Step, ...]]] = {
    Verb.FENCE: lambda order: (_fence(order),),
    Verb.RELEASE_LEADER_KEY: lambda order: (_release(order),),
    Verb.CONFIRM_FENCE: lambda order: (_confirm_fence(order),),
    Verb.RESUME_POOLS: lambda order: (_resume_pools(order),),
    Verb.REINITIALIZE: rebuild.steps,
}


def _promoted(leader: str, candidate: str) -> Step:
    """Patroni elects. What is released for the candidate may be taken by another synchronous member."""
    return Step(
        "promote",
        f"wait until {candidate}, or whom else Patroni elects, is primary",
        Expectation.of(Check.REPLACED, host=leader, likely=candidate),
        timeout_s=10.0,
    )


def _routed(candidate: str) -> Step:
    """HAProxy's own checks see a new primary within half a second, and a silent old one later still."""
    return Step(
        "route",
        f"tell every HAProxy that {candidate}, or who else holds the leader key, is primary",
        ALWAYS,
        do=Instruction.of(Verb.ROUTE, primary=candidate),
        timeout_s=1.0,
        optional=True,
        unconditional=True,
    )


def _running() -> Step:
    """A pool may be paused by an operation that died with its site."""
    return Step(
        "running",
        "see that every pool runs",
        Expectation.of(Check.POOLS_RUNNING),
        do=Instruction.of(Verb.RESUME_POOLS),
        optional=True,
    )


def _writes() -> Step:
    """Through whoever holds the key: what is released for one synchronous member another may have taken."""
    return Step(
        "verify",
        "write through whoever is primary",
        Expectation.of(Check.ACCEPTS_WRITES, host="any"),
        timeout_s=10.0,
    )


class Fenced(Enum):
    """What an ordered failover demands of the old primary."""

    SURELY = "surely"  # the driver must say so
    IF_POSSIBLE = "if possible"  # the candidate is synchronous: safe without (decision 0401)
    BY_WORD = "by word"  # the operator says that it is off


@dataclass(frozen=True)
class Order:
    """A failover ordered by an operator. `exposure`: what is lost by promoting `candidate` now.

    `session`: of the leader key that is released for a synchronous candidate; None: Patroni is told to
    promote, synchronous or not. `accepted_by`: who accepted the loss.
    """

    leader: str
    candidate: str
    site: str
    exposure: Exposure
    session: int | None = None
    sync_version: int = -1
    fenced: Fenced = Fenced.SURELY
    accepted_by: str | None = None


def ordered(order: Order) -> Plan:
    """Promotes a host that may lack writes. Whether it may be ordered is `exposure.refusal`'s to say.

    The old primary is fenced first, and that is no option where it may hold what the new one lacks.
    """
    prefer = Step(
        "prefer",
        f"prefer {order.site} from now on",
        Expectation.of(Check.SITE_PREFERRED, site=order.site),
        do=Instruction.of(Verb.PREFER_SITE, site=order.site),
        optional=True,
    )
    return Plan(
        Operation.FAILOVER,
        f"fail over from {order.leader or 'nobody'} to {order.candidate}",
        (*_fencing(order), *_replacing(order), _running(), _writes(), prefer),
        warnings=_warnings(order),
    )


def _warnings(order: Order) -> tuple[str, ...]:
    said = [order.exposure.says()]
    if order.accepted_by:
        said.append(f"the loss is accepted by {order.accepted_by} for this one operation")
    if order.fenced is Fenced.BY_WORD:
        said.append(f"that {order.leader} is off is an operator's word; if it runs, it may have two lives")
    return tuple(said)


def _fencing(order: Order) -> tuple[Step, ...]:
    if order.fenced is Fenced.BY_WORD or not order.leader:
        return ()
    if order.fenced is Fenced.IF_POSSIBLE:
        return (_fence(Instruction.of(Verb.FENCE, host=order.leader)),)
    return (
        Step(
            "fence",
            f"make sure that {order.leader} is off",
            Expectation.of(Check.FENCED, host=order.leader),
            do=Instruction.of(Verb.CONFIRM_FENCE, host=order.leader),
            undo=Instruction.of(Verb.UNFENCE, host=order.leader),
            undone=Expectation.of(Check.NOT_FENCED, host=order.leader),
            timeout_s=30.0,
            unconditional=True,
        ),
    )


def _replacing(order: Order) -> tuple[Step, ...]:
    if order.session is not None:
        release = Instruction.of(
            Verb.RELEASE_LEADER_KEY,
            leader=order.leader,
            session=order.session,
            candidate=order.candidate,
            sync_version=order.sync_version,
        )
        return (_release(release), _promoted(order.leader, order.candidate))
    return (
        Step(
            "force",
            f"let Patroni promote {order.candidate}, synchronous or not",
            Expectation.of(Check.IS_PRIMARY, host=order.candidate),
            do=Instruction.of(Verb.FORCE_FAILOVER, candidate=order.candidate),
            timeout_s=30.0,
            commits=True,
        ),
    )

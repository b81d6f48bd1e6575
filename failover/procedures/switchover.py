"""Planned switch: assert, prepare, announce, pause, stop, release, promote, resume, assert.

Up to the stop of the primary everything can be undone and nothing has happened to anybody. The leader key is
released early, as soon as the old postmaster has stopped cleanly and the candidate has all it wrote; should
that be wrong all the same, the candidate is synchronous and has every acknowledged write (decision 0401).
"""

from __future__ import annotations

from dataclasses import dataclass

from failover.plan import Operation, Plan, Stall, Step
from failover.verbs import ALWAYS, Check, Expectation, Instruction, Verb

HOLD_S = 5.0


@dataclass(frozen=True)
class Switch:
    """What was found before planning: the primary and its session, and who shall be.

    `widen_from`: how many standbys are synchronous, if the candidate is not among them; else None.
    """

    id: str
    leader: str
    session: int
    candidate: str
    candidate_site: str
    widen_from: int | None = None
    hold_s: float = HOLD_S


def plan(switch: Switch, stall: Stall | None = None, warnings: tuple[str, ...] = ()) -> Plan:
    """The plan of a switch to `candidate`. Raises ValueError if it is primary already."""
    if switch.leader == switch.candidate:
        raise ValueError(f"{switch.candidate} is primary already")
    return Plan(
        Operation.SWITCHOVER,
        f"switch the primary from {switch.leader} to {switch.candidate}",
        (*_prepare(switch), *_switch(switch), *_settle(switch)),
        stall,
        warnings,
    )


def _prepare(switch: Switch) -> tuple[Step, ...]:
    """The primary's checkpoint comes first: the candidate's restart point can only follow one."""
    return (
        Step(
            "preflight",
            "check lag, synchronous set, quorum, pools, versions, settings and long transactions",
            Expectation.of(Check.PREFLIGHT, leader=switch.leader, candidate=switch.candidate),
            timeout_s=0.0,
        ),
        *_widen(switch),
        _checkpoint(switch.leader),
        _checkpoint(switch.candidate),
        Step(
            "announce",
            f"have Patroni on {switch.leader} look and prepare, so that it follows the order at once",
            ALWAYS,
            do=Instruction.of(
                Verb.ANNOUNCE_SWITCHOVER,
                leader=switch.leader,
                candidate=switch.candidate,
                operation=switch.id,
            ),
            timeout_s=0.0,
            unconditional=True,
        ),
    )


def _widen(switch: Switch) -> tuple[Step, ...]:
    """Only a synchronous standby may be promoted. Patroni is told to have all of them so, for this switch."""
    if switch.widen_from is None:
        return ()
    return (
        Step(
            "synchronous",
            f"make every standby synchronous, {switch.candidate} among them",
            Expectation.of(Check.IS_SYNCHRONOUS, host=switch.candidate),
            do=Instruction.of(Verb.PREFER_SYNCHRONOUS, host=switch.candidate),
            undo=Instruction.of(Verb.RESTORE_SYNCHRONOUS, count=switch.widen_from),
            undone=Expectation.of(Check.SYNCHRONOUS_COUNT, count=switch.widen_from),
            timeout_s=15.0,
        ),
    )


def _narrow(switch: Switch) -> tuple[Step, ...]:
    if switch.widen_from is None:
        return ()
    return (
        Step(
            "narrow",
            f"let {switch.widen_from} standbys be synchronous again",
            Expectation.of(Check.SYNCHRONOUS_COUNT, count=switch.widen_from),
            do=Instruction.of(Verb.RESTORE_SYNCHRONOUS, count=switch.widen_from),
            optional=True,
        ),
    )


def _checkpoint(host: str) -> Step:
    return Step(
        f"checkpoint-{host}",
        f"checkpoint on {host}, so that its stop and start have little left to do",
        Expectation.of(Check.CHECKPOINT_RECENT, host=host),
        do=Instruction.of(Verb.PREPARE_SHUTDOWN, host=host),
        timeout_s=60.0,
        optional=True,
    )


def _switch(switch: Switch) -> tuple[Step, ...]:
    return (
        Step(
            "pause",
            f"pause every pool; each resumes by itself after {switch.hold_s:g} s",
            Expectation.of(Check.POOLS_PAUSED, operation=switch.id),
            do=Instruction.of(
                Verb.PAUSE_POOLS, operation=switch.id, hold_s=switch.hold_s, candidate=switch.candidate
            ),
            undo=Instruction.of(Verb.RESUME_POOLS),
            undone=Expectation.of(Check.POOLS_RUNNING),
            timeout_s=1.0,
        ),
        Step(
            "stop",
            f"ask Patroni on {switch.leader} to hand over to {switch.candidate}",
            Expectation.of(Check.SHUT_DOWN_CLEANLY, host=switch.leader, candidate=switch.candidate),
            do=Instruction.of(Verb.REQUEST_SWITCHOVER, leader=switch.leader, candidate=switch.candidate),
            undo=Instruction.of(Verb.CANCEL_SWITCHOVER),
            undone=Expectation.of(Check.NO_SWITCHOVER_PENDING),
            timeout_s=3.0,
            follows_at_once=True,
        ),
        Step(
            "release",
            f"release the leader key of {switch.leader} now instead of when its Patroni has slept",
            Expectation.of(Check.KEY_NOT_HELD_BY, host=switch.leader),
            do=Instruction.of(
                Verb.RELEASE_LEADER_KEY,
                leader=switch.leader,
                session=switch.session,
                candidate=switch.candidate,
            ),
            timeout_s=3.0,
            commits=True,
            # Refused: Patroni releases it by itself when it has slept, a second or two later.
            optional=True,
        ),
        Step(
            "promote",
            f"wait until {switch.candidate} is primary",
            Expectation.of(Check.IS_PRIMARY, host=switch.candidate),
            timeout_s=10.0,
        ),
    )


def _settle(switch: Switch) -> tuple[Step, ...]:
    return (
        Step(
            "resume",
            f"lead every HAProxy to {switch.candidate}, and resume every pool",
            Expectation.of(Check.POOLS_RUNNING),
            do=Instruction.of(Verb.RESUME_POOLS, primary=switch.candidate),
            timeout_s=5.0,
            unconditional=True,  # also when a timer was faster: HAProxy has still to be told
        ),
        Step(
            "verify",
            f"write through {switch.candidate}, and see the old primary follow it",
            Expectation.of(Check.ACCEPTS_WRITES, host=switch.candidate),
            timeout_s=10.0,
        ),
        *_narrow(switch),
        Step(
            "prefer",
            f"prefer {switch.candidate_site} from now on",
            Expectation.of(Check.SITE_PREFERRED, site=switch.candidate_site),
            do=Instruction.of(Verb.PREFER_SITE, site=switch.candidate_site),
            optional=True,
        ),
        Step(
            "follow",
            f"wait until {switch.leader} streams from {switch.candidate}",
            Expectation.of(Check.STREAMS, host=switch.leader),
            timeout_s=60.0,
            optional=True,
        ),
    )

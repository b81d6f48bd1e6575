"""Executes a plan step by step: journal, guard, effect, check, journal. Resumes what a predecessor left.

Nothing here knows what an operation is about; what comes next is `journal.next_move`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from failover.actuators.dispatch import STAMPED, perform
from failover.actuators.ports import (
    Actuators,
    EffectRefusedError,
    EffectUnknownError,
    EpochGuard,
    Observation,
    SensorsPort,
)
from failover.journal import Do, Entry, Event, Finish, JournalStore, Record, Undo, next_move
from failover.plan import Step
from failover.verbs import Expectation, Instruction


@dataclass(frozen=True)
class Clock:
    """Time as the runner uses it: `monotonic` to wait by, `wall` to write down."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    sleep: Callable[[float], None]


class StepFailedError(RuntimeError):
    """A step's check did not hold in time. Whether its effect took place is unknown."""


class StepRefusedError(StepFailedError):
    """A step's effect certainly did not take place."""


class InterruptedStepError(StepFailedError):
    """Somebody wants the operation ended: an operator, or a loss that cannot wait for it."""


# A step that ends sooner than this, well or not, is not worth asking whether it should be ended.
BRIEF_S = 10.0
Interruption = Callable[[Entry], str | None]


def never(_: Entry) -> str | None:
    """Nobody interrupts."""
    return None


class Runner:
    """Runs one operation at a time, as long as its epoch is the highest."""

    def __init__(
        self,
        *,
        store: JournalStore,
        actuators: Actuators,
        sensors: SensorsPort,
        guard: EpochGuard,
        clock: Clock,
        poll_s: float = 0.05,
        patient_poll_s: float | None = None,
    ) -> None:
        """`poll_s`: seconds between two looks at a step's goal; `patient_poll_s`: at one that may last."""
        self._store = store
        self._actuators = actuators
        self._sensors = sensors
        self._guard = guard
        self._clock = clock
        self._poll_s = poll_s
        self._patient_poll_s = patient_poll_s or poll_s
        self._interruption: Interruption = never
        self._first_hand = False

    def heed(self, interruption: Interruption) -> None:
        """It is asked before each step that may take long, and while it waits: why to end it all, or None."""
        self._interruption = interruption

    def start(self, entry: Entry) -> Entry:
        """Opens and runs an operation.

        Raises:
            OperationRunningError: another is open; nothing was done.
            DeposedError: leadership went to another, who finishes it.
        """
        self._store.open(entry)
        self._first_hand = True
        return self._run(entry)

    def take_over(self, *, abort: bool = True) -> Entry | None:
        """Finishes what a predecessor left open: back before the point of no return, forward after it.

        `abort` False (operation resume): forward in any case.
        """
        entry = self._store.current()
        self._first_hand = False
        if entry is None:
            return None
        if abort and not entry.committed and not entry.turned_back:
            entry = self._record(entry, Event.ABORTED, "", f"taken over under epoch {self._guard.epoch}")
        return self._run(entry)

    def _run(self, entry: Entry) -> Entry:
        while not isinstance(move := next_move(entry), Finish):
            entry = self._do(entry, move) if isinstance(move, Do) else self._undo(entry, move)
        finished = replace(entry, outcome=move.outcome)
        self._store.save(finished)
        return finished

    def _record(self, entry: Entry, event: Event, step: str, evidence: str) -> Entry:
        recorded = self._noted(entry, event, step, evidence)
        self._store.save(recorded)
        return recorded

    def _noted(self, entry: Entry, event: Event, step: str, evidence: str) -> Entry:
        """A record that is stored with the next one: clients wait for each write of the journal.

        Only for what a step has reached. Lost with a crash, it is found out anew by the step's check.
        """
        return entry.with_record(Record(event, step, evidence, self._guard.epoch, self._clock.wall()))

    def _do(self, entry: Entry, move: Do) -> Entry:
        step = move.step
        worth_asking = step.timeout_s > BRIEF_S and not step.commits
        if worth_asking and not entry.committed and (why := self._interruption(entry)):
            return self._record(entry, Event.ABORTED, "", why)
        if Event.INTENT not in entry.events(step.name):
            entry = self._intend(entry, step)

        def interrupted() -> str | None:
            return self._interruption(entry) if worth_asking else None

        try:
            evidence = self._reach(
                step.do,
                step.check,
                step.timeout_s,
                # Nobody else can have done it since the step before, and clients wait while we look.
                always=step.unconditional or (step.follows_at_once and self._first_hand),
                again_s=step.again_s,
                interrupted=interrupted,
            )
        except InterruptedStepError as interruption:
            event = Event.MISSED if entry.committed else Event.ABORTED
            return self._record(entry, event, step.name, str(interruption))
        except StepRefusedError as refusal:
            missed = step.optional or (entry.committed and not step.commits)
            return self._record(entry, Event.MISSED if missed else Event.REFUSED, step.name, str(refusal))
        except StepFailedError as failure:
            missed = step.optional or entry.committed
            return self._record(entry, Event.MISSED if missed else Event.REFUSED, step.name, str(failure))
        return self._noted(entry, Event.DONE, step.name, evidence)

    def _intend(self, entry: Entry, step: Step) -> Entry:
        """Records what is meant, and what follows it at once."""
        meant = (step, *entry.plan.at_once_after(step))
        for each in meant:
            entry = self._noted(entry, Event.INTENT, each.name, str(each.do or each.check))
        # Whoever only waits leaves nothing to undo; clients wait, too, for what is written meanwhile.
        if step.do is not None or step.timeout_s > BRIEF_S or len(meant) > 1:
            self._store.save(entry)
        return entry

    def _undo(self, entry: Entry, move: Undo) -> Entry:
        """An undo that fails is recorded as such and does not stop the others from being undone."""
        step = move.step
        if step.undo is None:
            return self._record(entry, Event.UNDONE, step.name, "nothing to undo")
        entry = self._record(entry, Event.UNDO_INTENT, step.name, str(step.undo))
        try:
            evidence = self._reach(step.undo, step.undone, step.timeout_s, always=True)
        except StepFailedError as failure:
            evidence = f"not undone: {failure}"
            entry = self._record(entry, Event.MISSED, step.name, evidence)
        return self._record(entry, Event.UNDONE, step.name, evidence)

    def _reach(
        self,
        order: Instruction | None,
        goal: Expectation,
        timeout_s: float,
        *,
        always: bool = False,
        again_s: float = 0.0,
        interrupted: Callable[[], str | None] = lambda: None,
    ) -> str:
        """Makes the goal hold. An effect whose outcome is unknown is judged by the goal alone.

        `always`: do it without a look whether the goal holds already. `again_s`: and again at this interval.

        Raises:
            StepRefusedError: certainly not done, or undone by whom it was asked of.
            InterruptedStepError: the goal does not hold yet, and is not to be waited for.
            StepFailedError: the goal does not hold after `timeout_s`.
        """
        if not always and (seen := self._sensors.observe(goal)).holds:
            return f"already so: {seen.evidence}"
        done = self._perform(order)
        deadline, asked_at = self._clock.monotonic() + timeout_s, self._clock.monotonic()
        while not (seen := self._sensors.observe(goal)).holds:
            if seen.hopeless:
                raise StepRefusedError(f"{goal}: {seen.evidence}; {done}")
            if self._clock.monotonic() >= deadline:
                raise StepFailedError(f"{goal} does not hold after {timeout_s:g} s: {seen.evidence}; {done}")
            if why := interrupted():
                raise InterruptedStepError(why)
            self._clock.sleep(self._poll_s if timeout_s <= BRIEF_S else self._patient_poll_s)
            if again_s and self._clock.monotonic() - asked_at >= again_s:
                done, asked_at = self._perform(order), self._clock.monotonic()
        return _joined(done, seen)

    def _perform(self, order: Instruction | None) -> str:
        if order is None:
            return ""
        if order.verb not in STAMPED:
            self._guard.check()
        try:
            return perform(self._actuators, order)
        except EffectRefusedError as refusal:
            raise StepRefusedError(str(refusal)) from refusal
        except EffectUnknownError as unknown:
            return f"outcome unknown: {unknown}"


def _joined(done: str, seen: Observation) -> str:
    return "; ".join(text for text in (done, seen.evidence) if text)

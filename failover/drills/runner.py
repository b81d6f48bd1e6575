"""Runs one drill: break, watch, heal, compare, judge. Heals whatever it broke, whatever happens.

The order of a drill is `Drill.run`; what is broken comes from the scenario, all doing goes through ports.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import TypeVar

from failover.drills import announcements, archive
from failover.drills.flow import Flow
from failover.drills.healing import Healer, insist, restore_replication
from failover.drills.history import HistoryError, Recorder, Tail
from failover.drills.interrupts import Interrupted, Interrupts
from failover.drills.judge import Record
from failover.drills.machine import this_machine
from failover.drills.model import Event, EventType, FinalState, OrchestratorMode
from failover.drills.moments import MARKER_PROC, Mark, mark_event
from failover.drills.order import DrillError, Order
from failover.drills.ports import LoadRun, PortError, Ports
from failover.drills.scenarios import Leadership
from failover.drills.steps import Role, Scene, Step, set_scene
from failover.drills.verdict import Verdict
from failover.drills.waiting import Overdue, Say, answer, wait_until
from failover.drills.whole import return_primary, wait_whole

# The load is looked after this often while the drill lets time pass.
WATCH_S = 0.5
# How long a question is asked again that a busy estate refuses.
PATIENCE_S = 30.0

T = TypeVar("T")


class _LoadEnded(Exception):  # noqa: N818 - a fact, not a fault of this program
    """The load generator ended unasked: the drill proves nothing any more."""


# What ends the breaking part of a drill early; healing and comparing still follow.
_ENDS = (PortError, Overdue, _LoadEnded)


class Drill:
    """One run of a scenario. Make a new one for each run."""

    def __init__(self, order: Order, ports: Ports, say: Say) -> None:
        self._order = order
        self._ports = ports
        self._tell = say
        self._began_ns = ports.clock.monotonic_ns()
        self._started_at: datetime = ports.clock.now()
        self._trouble: list[str] = []
        self._final = FinalState()
        self._mode = OrchestratorMode.STOPPED
        self._interruption: Interrupted | None = None

    def run(self) -> Verdict:
        """Run the drill and return its verdict; all files are in the order's directory then.

        Raises `DrillError` when the directory is used or the estate is not whole at the start, and
        `Interrupted` after healing when the operator ended the drill; the verdict is written then too.
        """
        with Interrupts(self._say) as interrupts:
            with interrupts.armed():
                scene, versions = self._prepare()
            healer = Healer(self._ports, scene, self._say)
            with Recorder(self._files.drill) as self._recorder, ExitStack() as observing:
                observing.callback(self._insist_on, "stopping the observer", self._ports.observer.stop)
                try:
                    self._attempt(interrupts, lambda: self._break_and_watch(scene, healer))
                finally:
                    self._heal(healer)
                self._attempt(interrupts, lambda: self._compare(scene))
            verdict = self._conclude(versions)
        if self._interruption is not None:
            raise self._interruption
        return verdict

    def _attempt(self, interrupts: Interrupts, part: Callable[[], None]) -> None:
        """Do an interruptible part; note what ended it early. Nothing is done after an interruption."""
        if self._interruption is not None:
            return
        try:
            with interrupts.armed():
                part()
        except _ENDS as error:
            self._note(str(error))
        except Interrupted as error:
            self._interruption = error
            self._note(str(error))

    # -- the parts of a drill, in their order ------------------------------------------------------

    def _prepare(self) -> tuple[Scene, dict[str, str]]:
        """Wait until the estate is whole and find who plays which role.

        Nothing is changed yet, but for a mode of replication that an earlier drill left behind.
        """
        timing = self._order.scenario.timing
        self._order.refuse_used_directory()
        self._restore_replication()
        try:
            self._wait_whole(timing.healthy_deadline_s, "a whole estate")
            scene, versions = self._answer(self._cast, "who plays which role")
        except (PortError, Overdue) as error:
            raise DrillError(f"the drill did not begin: {error}") from error
        self._order.directory.mkdir(parents=True, exist_ok=True)
        self._files = archive.Files(self._order.directory)
        self._say(
            f"{self._order.scenario.title}: primary {scene[Role.PRIMARY_HOST]}, run {self._order.run_id}"
        )
        return scene, versions

    def _cast(self) -> tuple[Scene, dict[str, str]]:
        scene = set_scene(self._order.estate, self._ports.cluster.status(), self._ports)
        versions = dict(self._ports.cluster.versions())
        if not self._order.plain:
            self._mode = self._ports.orchestrator.mode()
        return scene, versions

    def _restore_replication(self) -> None:
        """Mend what a killed drill left; what cannot be mended now, the wait for a whole estate names."""
        try:
            if restore_replication(self._ports.cluster):
                self._say(
                    "replication was asynchronous, as a killed drill leaves it: set back to synchronous"
                )
        except PortError as error:
            self._say(f"the mode of replication is not known: {error}")

    def _break_and_watch(self, scene: Scene, healer: Healer) -> None:
        scenario, timing = self._order.scenario, self._order.scenario.timing
        self._ports.observer.start(self._files.observer)
        for step in scenario.conditions:
            self._do(step, scene, healer)
        self._start_load()
        self._pass(timing.warm_up_s, "warming up")
        self._mark(Mark.BASELINE)
        self._pass(timing.baseline_s, "measuring the baseline")
        for step in scenario.prelude:
            self._do(step, scene, healer)
        if scenario.prelude:
            self._pass(timing.exposure_s, "leaving it so")
        effect_ns = self._break(scene, healer)
        for step in scenario.remedy:
            self._pass(timing.exposure_s, "leaving it so")
            self._do(step, scene, healer)
        self._await_recovery(scene, effect_ns)
        if scenario.heal_under_load:
            self._undo(healer)
        self._pass(timing.after_s, "measuring after the recovery")

    def _break(self, scene: Scene, healer: Healer) -> int:
        """What is prepared before breaking begins is the lab's own time. An order breaks nothing."""
        asked_ns = self._ports.clock.monotonic_ns()
        try:
            self._do(self._order.scenario.fault, scene, healer)
        finally:
            began_ns = max(self._ports.faults.began_ns() or 0, asked_ns)
            self._recorder.record(mark_event(Mark.FAULT, began_ns, scene[Role.PRIMARY_HOST]))
        return self._mark(Mark.EFFECT)

    def _await_recovery(self, scene: Scene, effect_ns: int) -> None:
        scenario, clock = self._order.scenario, self._ports.clock
        flow, tail = Flow(effect_ns), Tail(self._files.load)

        def missing() -> tuple[str, ...]:
            self._watch_load()
            flow.feed(tail.fresh())
            flowing = flow.missing(clock.monotonic_ns(), scenario.timing.settle_s)
            return (*self._missing_primary(scene), *flowing)

        wait_until(missing, scenario.timing.recovery_deadline_s, "recovery", clock=clock, say=self._say)
        recovered_ns = flow.since_ns or clock.monotonic_ns()
        self._recorder.record(mark_event(Mark.RECOVERED, recovered_ns))
        self._say(f"writes are back {(recovered_ns - effect_ns) / 1e9:.1f} s after the fault took effect")

    def _missing_primary(self, scene: Scene) -> tuple[str, ...]:
        leader = self._ports.cluster.status().leader
        if leader is None:
            return ("there is no primary",)
        moves = self._order.scenario.leadership is Leadership.MOVES
        stays = leader.name == scene[Role.PRIMARY_HOST]
        return (f"{leader.name} is still the primary",) if moves and stays else ()

    def _heal(self, healer: Healer) -> None:
        """End the load, then mend everything. Nothing interrupts this, and no failure ends it early."""
        self._say("stopping the load")
        self._insist_on("stopping the load", self._ports.load.stop)
        self._mark_if_possible(Mark.LOAD_STOPPED)
        self._undo(healer)
        self._trouble += healer.heal_all()

    def _undo(self, healer: Healer) -> None:
        self._mark_if_possible(Mark.HEALING)
        self._trouble += healer.heal()
        self._mark_if_possible(Mark.HEALED)

    def _compare(self, scene: Scene) -> None:
        """Wait for parity without a hand, read every node, and put the primary back where it was."""
        timing = self._order.scenario.timing
        self._insist_on("reading the orchestrator's journal", self._record_operations)
        try:
            self._wait_whole(timing.parity_deadline_s, "parity")
            self._mark(Mark.PARITY)
            self._say("parity: every member streams and the synchronous set is whole")
        except Overdue as error:
            self._note(str(error))
        self._say("reading what every node holds")
        self._final = self._ports.state.collect(self._order.run_id, timing.restore_deadline_s)
        try:
            self._restore(scene)
        except (PortError, Overdue) as error:
            self._note(f"returning the primary: {error}")

    def _record_operations(self) -> None:
        """Put what the orchestrator decided and when into the history."""
        now = announcements.Instant(self._ports.clock.now(), self._ports.clock.monotonic_ns())
        entries = self._ports.orchestrator.operations()
        for event in announcements.events(entries, self._started_at, now):
            self._recorder.record(event)

    def _restore(self, scene: Scene) -> None:
        site, deadline_s = scene[Role.PRIMARY_SITE], self._order.scenario.timing.restore_deadline_s
        return_primary(self._order, self._ports, self._say, site=site, deadline_s=deadline_s)
        self._mark(Mark.RESTORED)

    def _conclude(self, versions: dict[str, str]) -> Verdict:
        """Merge the history, collect the logs, judge, and write the report."""
        order, clock = self._order, self._ports.clock
        self._say("collecting logs and judging")
        self._trouble += archive.collect_logs(
            self._ports.logs, order.estate, self._started_at, clock, self._files
        )
        try:
            events, operations = archive.merge_history(self._files)
        except HistoryError as error:
            self._note(f"the history proves nothing: {error}")
            events, operations = [], []
        record = Record(
            scenario=order.scenario,
            estate=order.estate,
            events=events,
            operations=operations,
            final=self._final,
            trouble=tuple(self._trouble),
            run_id=order.run_id,
            profile=order.profile,
            seed=order.seed,
            started_at=self._started_at.isoformat(timespec="seconds"),
            duration_s=(clock.monotonic_ns() - self._began_ns) / 1e9,
            machine=this_machine(order.disks),
            versions=versions,
            orchestrator=self._mode,
        )
        return archive.write_verdict(record, self._files)

    # -- the small moves ---------------------------------------------------------------------------

    def _do(self, step: Step, scene: Scene, healer: Healer) -> None:
        """Do a step; its undoing is promised before, because the doing may stop half way."""
        healer.promise(step)
        target = step.target(scene)
        self._say(f"{step.name}: {target}")
        self._recorder.record(self._fault_event(step, target, "begun"))
        step.do(self._ports, scene)
        self._recorder.record(self._fault_event(step, target, "done"))

    def _fault_event(self, step: Step, target: str, state: str) -> Event:
        now = self._ports.clock.monotonic_ns()
        return Event(
            t_ns=now, type=EventType.FAULT, proc=MARKER_PROC, function=step.name, entity=target, state=state
        )

    def _start_load(self) -> None:
        order = self._order
        self._mark(Mark.LOAD)
        run = LoadRun(
            order.profile, order.run_id, order.seed, history=self._files.load, stats=self._files.stats
        )
        self._answer(lambda: self._ports.load.start(run), "the start of the load")

    def _pass(self, seconds: float, what: str) -> None:
        """Let time pass while the load is looked after."""
        self._say(f"{what}, {seconds:g} s")
        until = self._ports.clock.monotonic_ns() + int(seconds * 1e9)
        while (left_ns := until - self._ports.clock.monotonic_ns()) > 0:
            self._watch_load()
            self._ports.clock.sleep(min(WATCH_S, left_ns / 1e9))

    def _watch_load(self) -> None:
        failure = self._ports.load.failure()
        if failure is not None:
            raise _LoadEnded(f"the load ended unasked: {failure}")

    def _wait_whole(self, deadline_s: float, what: str) -> None:
        wait_whole(self._order, self._ports, self._say, deadline_s=deadline_s, what=what)

    def _answer(self, question: Callable[[], T], what: str) -> T:
        return answer(question, PATIENCE_S, what, clock=self._ports.clock, say=self._say)

    def _insist_on(self, what: str, action: Callable[[], None]) -> None:
        self._trouble += insist(action, what, self._ports.clock)

    def _mark(self, mark: Mark) -> int:
        now = self._ports.clock.monotonic_ns()
        self._recorder.record(mark_event(mark, now))
        return now

    def _mark_if_possible(self, mark: Mark) -> None:
        """A disk that is full keeps nobody from healing."""
        try:
            self._mark(mark)
        except OSError as error:
            self._note(f"the mark {mark} is not in the history: {error}")

    def _note(self, trouble: str) -> None:
        self._trouble.append(trouble)
        self._say(f"TROUBLE: {trouble}")

    def _say(self, text: str) -> None:
        """Tell the operator, whose terminal or pipe may be gone: no reason to stop healing."""
        elapsed = (self._ports.clock.monotonic_ns() - self._began_ns) / 1e9
        with suppress(OSError):
            self._tell(f"{elapsed:7.1f} s  {text}")

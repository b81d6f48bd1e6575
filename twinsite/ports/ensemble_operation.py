"""Carries out a change of the ensemble from this machine, journalled on its disk, told step by step."""

from __future__ import annotations

import time

from failover.course import heading, narrate
from failover.journal import Entry
from failover.journal_store import FileJournal
from failover.plan import Plan
from failover.runner import Runner
from twinsite.context import Context
from twinsite.ordering import operator
from twinsite.ports.ensemble import REAL_CLOCK, Ensemble, NoOffice, Sensors, actuators
from twinsite.talk import progress


def carry_out(context: Context, ensemble: Ensemble, plan: Plan, reason: str) -> Entry:
    """Runs the plan from here, or ends what an interrupted call left open, and tells its course.

    Raises:
        OperationRunningError: another such operation of this machine is open and could not be ended.
    """
    journal = _Told(FileJournal(context.home / "journal"))
    office = NoOffice()
    runner = Runner(
        store=journal,
        actuators=actuators(ensemble),
        sensors=Sensors(context, ensemble),
        guard=office,
        clock=REAL_CLOCK,
        poll_s=1.0,
    )
    if runner.take_over() is not None:
        progress("ended what an earlier call had left open")
    number = f"{int(time.time())}-{plan.operation}"
    return runner.start(Entry(number, plan, operator(), reason))


class _Told:
    """The journal on disk, and each new record on the operator's screen."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal, self._told = journal, 0

    def open(self, entry: Entry) -> None:
        self._told = 0
        progress(heading(entry))
        self._journal.open(entry)

    def save(self, entry: Entry) -> None:
        self._journal.save(entry)
        for text in narrate(entry, self._told):
            progress(text)
        self._told = len(entry.records)

    def current(self) -> Entry | None:
        return self._journal.current()

    def entries(self) -> tuple[Entry, ...]:
        return self._journal.entries()

"""The elected agent's desk: takes operators' requests, one operation at a time, and answers each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from failover.decide import Mode
from failover.journal import Entry
from failover.panel import Picture
from failover.plan import Operation, Plan
from failover.requests import Control, Reply, Request, RequestBox

log = logging.getLogger(__name__)

Planner = Callable[[Picture, Request], Plan]


class OrderRefusedError(ValueError):
    """What was asked for cannot be done now; the message says why and what helps."""


@dataclass(frozen=True)
class Seat:
    """Who answers."""

    name: str
    mode: Mode
    epoch: Callable[[], int]


class Register(Protocol):
    """Where operations are found (`journal_store`)."""

    def entry(self, name: str) -> Entry | None: ...


class Desk:
    """`planners`: for each operation that this agent can carry out, what makes its plan, or refuses."""

    def __init__(
        self,
        box: RequestBox,
        seat: Seat,
        planners: Mapping[Operation, Planner],
        journal: Register,
    ) -> None:
        self._box, self._seat, self._planners = box, seat, planners
        self._journal = journal

    def next_order(self, picture: Picture) -> Entry | None:
        """Answers all that can be answered now; the first order that can be begun, as an entry to begin.

        To be asked only while no operation is open: requests to end one are refused here.
        """
        for request in self._box.waiting():
            if isinstance(request.task, Control):
                self._control(request)
            elif self._journal.entry(request.id) is not None:
                self._answer(request, accepted=True, text="it is in the journal")
            elif (plan := self._plan(picture, request)) is not None:
                return Entry(request.id, plan, request.by, request.reason, arguments=request.arguments)
        return None

    def wants_forward(self, entry: Entry) -> bool:
        """Whether an operator wants an interrupted operation ended forwards (`operation resume`)."""
        asked = self._about(Control.RESUME, entry)
        for request in asked:
            self._answer(request, accepted=True, text=f"{entry.id} goes on where it stopped")
        return bool(asked)

    def aborts(self, entry: Entry) -> str | None:
        """Who wants the open operation ended, and why; None if nobody does or there is no way back."""
        for request in self._about(Control.ABORT, entry):
            if entry.committed:
                text = f"{entry.id} is past its point of no return and goes on to its end"
                self._answer(request, accepted=False, text=text)
                continue
            self._answer(request, accepted=True, text=f"{entry.id} goes back")
            return f"aborted by {request.by}: {request.reason}"
        return None

    def _about(self, task: Control, entry: Entry) -> list[Request]:
        return [each for each in self._box.waiting() if each.task is task and each.text("id") == entry.id]

    def _control(self, request: Request) -> None:
        self._answer(request, accepted=False, text=f"{request.text('id')} is not under way")

    def _plan(self, picture: Picture, request: Request) -> Plan | None:
        assert isinstance(request.task, Operation)
        planner = self._planners.get(request.task)
        if self._seat.mode is Mode.OBSERVE:
            refusal = "the agents' mode is observe-only: they act on nothing"
        elif planner is None:
            refusal = f"agents carry out no {request.task}"
        else:
            try:
                return planner(picture, request)
            except OrderRefusedError as reason:
                refusal = str(reason)
        self._answer(request, accepted=False, text=refusal)
        return None

    def _answer(self, request: Request, *, accepted: bool, text: str) -> None:
        log.info("%s (%s, %s): %s", request.id, request.by, request.reason, text)
        self._box.answer(request, Reply(accepted, text, self._seat.name, self._seat.epoch()))

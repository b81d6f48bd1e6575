"""An operator's side of an order: hand it to the elected agent, and watch the journal until its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from failover.course import heading, narrate
from failover.decide import Mode
from failover.estate_reader import VIEWS
from failover.events import current as announcement
from failover.journal import Entry
from failover.journal_store import JournalReader
from failover.leadership import holder
from failover.requests import Reply, Request, RequestBox
from failover.unheard import deaf, vacancy, without_agents
from failover.znodes import Unanswered, children

# An election takes a session's end (4 s) and the moment for which others stand back.
OFFICE_WITHIN_S = 8.0
TAKEN_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
# An ensemble that elects is back in seconds, and the operation goes on meanwhile.
SILENCE_BORNE_S = 30.0
# In place of a holder's name: nobody has looked yet.
UNSEEN = ""

Say = Callable[[str], None]
T = TypeVar("T")


class OrderFailedError(Exception):
    """The order was not carried out; the message says why and what helps."""


class OperationBusyError(OrderFailedError):
    """Another operation is under way."""

    def __init__(self, running: Entry) -> None:
        self.running = running
        super().__init__(
            f"{running.id} is under way: {running.plan.title}, ordered by {running.ordered_by}"
            f" ({running.reason}); wait for it with --wait, or look: twinsite operation show {running.id}"
        )


class LetGoError(Exception):
    """Nobody watches any more; the operation, if it was begun, goes on."""


def _goes_on(name: str) -> str:
    return (
        f"{name} goes on without this program. Watch it: twinsite operation show {name} --follow;"
        f" end it: twinsite operation abort {name}"
    )


@dataclass(frozen=True)
class Clock:
    """Time for an operator's program: `monotonic` to wait by, `sleep` to do so."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


class Counter:
    """Where orders are handed in."""

    def __init__(self, client: KazooClient, clock: Clock, say: Say) -> None:
        self._client, self._clock, self._say = client, clock, say
        self._box, self._journal = RequestBox(client), JournalReader(client)

    def order(self, request: Request, *, wait_s: float = 0.0) -> Entry:
        """Hands in an order for an operation and follows it to its end.

        Raises:
            OrderFailedError: nobody takes it, it was refused, or another operation is under way and does not
                end within `wait_s`. Nothing was begun.
            LetGoError: interrupted by the operator after it had begun, or ZooKeeper does not tell whether it
                has.
        """
        self.require_office(request)
        self._await_turn(wait_s)
        self._box.submit(request)
        try:
            began = self._taken(request, wait_s)
        except KeyboardInterrupt:
            self._withdraw(request)
            raise self._let_go(request) from None
        finally:
            self._withdraw(request)
        if began is None and (began := self._journal.entry(request.id)) is None:
            raise OrderFailedError(f"{self._silence(request)}; the order was withdrawn, nothing was begun")
        return self.follow(began)

    def _withdraw(self, request: Request) -> None:
        """Where that stays unanswered it goes with the session; the journal tells whether it was taken."""
        with suppress(*Unanswered):
            self._box.withdraw(request)

    def _let_go(self, request: Request) -> Exception:
        """The order may have been taken in the very moment in which it was withdrawn, and not later."""
        if self._journal.entry(request.id) is None:
            return OrderFailedError("withdrawn before anybody took it: nothing was begun")
        return LetGoError(_goes_on(request.id))

    def control(self, request: Request) -> Reply:
        """Hands in what is answered at once: an abort, a resume.

        Raises:
            OrderFailedError: nobody answers, or it was refused.
        """
        self.require_office(request)
        self._box.submit(request)
        try:
            reply = self._until(lambda: self._reply(request), TAKEN_WITHIN_S)
        finally:
            self._withdraw(request)
        if reply is None:
            raise OrderFailedError(self._silence(request))
        if not reply.accepted:
            raise OrderFailedError(f"refused by {reply.by}: {reply.text}")
        return reply

    def require_office(self, request: Request) -> str:
        """Who is in office.

        Raises:
            OrderFailedError: nobody is, or the agents only observe.
        """
        holder = self._until(self._holder, OFFICE_WITHIN_S)
        if holder is None:
            waited = f"no agent is in office (waited {OFFICE_WITHIN_S:g} s)"
            raise OrderFailedError(waited + vacancy(self._voices()) + without_agents(request))
        announced = announcement(self._client)
        if announced is not None and announced.policy.mode is Mode.OBSERVE:
            raise OrderFailedError(
                f"the agents' mode is observe-only: {holder} acts on nothing; set agent_mode: active in the"
                f" inventory and provision{without_agents(request)}"
            )
        return holder

    def _silence(self, request: Request) -> str:
        """Why nobody answered, and what helps."""
        holder = self._holder()
        if holder is None:
            return "no agent is in office any more" + vacancy(self._voices()) + without_agents(request)
        return deaf(holder, TAKEN_WITHIN_S) + without_agents(request)

    def _voices(self) -> tuple[str, ...]:
        """The agents that have a session with ZooKeeper."""
        return children(self._client, VIEWS)

    def follow(self, entry: Entry) -> Entry:
        """Says each step as it begins and ends, until the operation's end.

        Raises:
            LetGoError: the operator interrupts, or ZooKeeper does not answer for `SILENCE_BORNE_S`.
        """
        self._say(heading(entry))
        try:
            return self._watch(entry)
        except KeyboardInterrupt:
            raise LetGoError(_goes_on(entry.id)) from None

    def _watch(self, entry: Entry) -> Entry:
        holder: str | None = UNSEEN
        told, heard_at = 0, self._clock.monotonic()
        while True:
            try:
                holder = self._tell_of_office(holder)
                entry = self._journal.entry(entry.id) or entry
                heard_at = self._clock.monotonic()
            except Unanswered as error:
                if self._clock.monotonic() - heard_at > SILENCE_BORNE_S:
                    silent = f"ZooKeeper does not answer ({error!r})"
                    raise LetGoError(f"{silent}. {_goes_on(entry.id)}") from error
            for text in narrate(entry, told):
                self._say(text)
            told = len(entry.records)
            if entry.outcome is not None:
                return entry
            self._clock.sleep(LOOK_EVERY_S)

    def _tell_of_office(self, before: str | None) -> str | None:
        now = self._holder()
        if before not in (UNSEEN, now):
            left = f"{before} left office; " if before else ""
            self._say(left + (f"{now} is in office now" if now else "a successor ends what it began"))
        return now

    def _await_turn(self, wait_s: float) -> None:
        running = self._journal.current()
        if running is None:
            return
        if wait_s <= 0:
            raise OperationBusyError(running)
        self._say(f"waits for {running.id}: {running.plan.title}, ordered by {running.ordered_by}")
        if self._until(lambda: self._journal.current() is None or None, wait_s) is None:
            raise OperationBusyError(running)

    def _taken(self, request: Request, wait_s: float) -> Entry | None:
        """Waits until the order is in the journal, through an election of ZooKeeper's too; None: in vain."""
        deadline = self._clock.monotonic() + max(wait_s, TAKEN_WITHIN_S)
        silence: Exception | None = None
        while self._clock.monotonic() < deadline:
            try:
                entry, silence = self._begun(request, wait_s), None
            except Unanswered as error:
                entry, silence = None, error
            if entry is not None:
                return entry
            self._clock.sleep(LOOK_EVERY_S)
        if silence is not None:
            raise LetGoError(
                f"ZooKeeper does not answer ({silence!r}): {request.id} may have been begun."
                f" Look: twinsite operation show {request.id}"
            ) from silence
        return None

    def _begun(self, request: Request, wait_s: float) -> Entry | None:
        """The order as the journal has it. Whoever was faster is named."""
        if entry := self._journal.entry(request.id):
            return entry
        reply = self._reply(request)
        if reply is not None and not reply.accepted:
            raise OrderFailedError(f"refused by {reply.by}: {reply.text}")
        running = self._journal.current()
        if running is not None and running.id != request.id and wait_s <= 0:
            raise OperationBusyError(running)
        return None

    def _reply(self, request: Request) -> Reply | None:
        try:
            return self._box.reply_to(request)
        except NoNodeError:
            raise OrderFailedError("the session with ZooKeeper was lost before the order was taken") from None

    def _holder(self) -> str | None:
        return holder(self._client)

    def _until(self, found: Callable[[], T | None], within_s: float) -> T | None:
        deadline = self._clock.monotonic() + within_s
        while (value := found()) is None and self._clock.monotonic() < deadline:
            self._clock.sleep(LOOK_EVERY_S)
        return value

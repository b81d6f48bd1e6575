"""Alarms: which fire and which are over (pure), and how they are told: to the journal, and by a command."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from failover.command import CommandFailedError, Run
from failover.decide import Decision
from failover.transitions import Row

log = logging.getLogger(__name__)

# `journalctl -t twinsite-alarm`; the message id is one for all alarms and for ever.
IDENTIFIER = "twinsite-alarm"
MESSAGE_ID = "5b1f0cbb4e5c4c0f9d1b6f0c6f3a2e11"
JOURNAL = "/run/systemd/journal/socket"
# A cause that comes and goes within this time is one alarm.
QUIET_S = 5.0
ATTEMPTS, ATTEMPT_S, BETWEEN_S = 3, 10.0, 5.0


class State(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Alarm:
    """One alarm as a person or a pager gets it. Rule and subject make it the same alarm again."""

    state: State
    rule: str
    condition: str
    subject: str
    text: str
    by: str

    @property
    def line(self) -> str:
        return f"{self.state} [{self.rule}] {self.condition} ({self.subject}): {self.text}"


@dataclass(frozen=True)
class Cause:
    """Why an alarm is due now."""

    rule: str
    condition: str
    subject: str
    text: str


def causes(decision: Decision) -> tuple[Cause, ...]:
    """Every ruling of which a person must hear, with what holds it back, if anything does."""
    return tuple(
        Cause(
            ruling.row.rule,
            str(ruling.finding.condition),
            ruling.finding.subject,
            "; ".join((*ruling.finding.evidence, *ruling.against, ruling.row.comment)),
        )
        for ruling in decision.alarms
    )


def cause_of(row: Row, subject: str, text: str) -> Cause:
    return Cause(row.rule, str(row.condition), subject, text)


class Board:
    """What fires now. An alarm is told once when it begins and once when it has been over for a while."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._firing: dict[tuple[str, str], tuple[Cause, float]] = {}

    @property
    def firing(self) -> tuple[Cause, ...]:
        return tuple(cause for cause, _ in self._firing.values())

    def update(self, due: Iterable[Cause], now_s: float) -> tuple[Alarm, ...]:
        news = []
        for cause in due:
            key = (cause.rule, cause.subject)
            if key not in self._firing:
                news.append(self._alarm(State.FIRING, cause))
            self._firing[key] = (cause, now_s)
        for key, (cause, seen_s) in tuple(self._firing.items()):
            if now_s - seen_s > QUIET_S:
                del self._firing[key]
                news.append(self._alarm(State.RESOLVED, cause))
        return tuple(news)

    def forget(self) -> None:
        """Out of office: what fires is another's to tell and to end."""
        self._firing.clear()

    def _alarm(self, state: State, cause: Cause) -> Alarm:
        return Alarm(state, cause.rule, cause.condition, cause.subject, cause.text, self._by)


def to_journal(alarm: Alarm, path: str = JOURNAL) -> None:
    """Systemd's native protocol, so that rule and subject are fields. Raises OSError."""
    fields = {
        "MESSAGE": alarm.line,
        "MESSAGE_ID": MESSAGE_ID,
        "PRIORITY": "2" if alarm.state is State.FIRING else "5",
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "TWINSITE_STATE": alarm.state,
        "TWINSITE_RULE": alarm.rule,
        "TWINSITE_CONDITION": alarm.condition,
        "TWINSITE_SUBJECT": alarm.subject,
    }
    data = "".join(f"{name}={' '.join(value.splitlines())}\n" for name, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(data.encode(), path)


class Herald:
    """Delivers in a thread of its own: a pager that hangs delays nobody. Failed deliveries are counted."""

    def __init__(
        self,
        command: Sequence[str],
        run: Run,
        *,
        journal: Callable[[Alarm], None] = to_journal,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._command, self._run, self._journal, self._sleep = tuple(command), run, journal, sleep
        self._waiting: queue.Queue[Alarm] = queue.Queue()
        self.delivered = 0
        self.failed = 0

    def start(self) -> None:
        threading.Thread(target=self._work, name="alarms", daemon=True).start()

    def tell(self, alarm: Alarm) -> None:
        self._waiting.put(alarm)

    def _work(self) -> None:
        while True:
            self.deliver(self._waiting.get())

    def deliver(self, alarm: Alarm) -> None:
        try:
            self._journal(alarm)
        except OSError as error:
            log.warning("%s (not in the journal as an alarm: %s)", alarm.line, error)
        if self._command:
            self._count(self._commanded(alarm))

    def _count(self, well: bool) -> None:  # a private tally
        if well:
            self.delivered += 1
        else:
            self.failed += 1

    def _commanded(self, alarm: Alarm) -> bool:
        """The command, some times over. True when it ended with status 0."""
        argv = tuple(_filled(argument, alarm) for argument in self._command)
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(BETWEEN_S)
            try:
                ended = self._run(argv, ATTEMPT_S)
            except CommandFailedError as error:
                log.warning("alarm not delivered: %s", error)
                continue
            if ended.code == 0:
                return True
            log.warning("alarm not delivered: %s: status %d: %s", argv[0], ended.code, ended.output)
        return False


def _filled(argument: str, alarm: Alarm) -> str:
    names = ("state", "rule", "condition", "subject", "text", "by", "line")
    for name in names:
        argument = argument.replace(f"{{{name}}}", str(getattr(alarm, name)))
    return argument

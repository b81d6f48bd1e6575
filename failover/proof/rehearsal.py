"""An estate in memory to rehearse procedures on, with its Patroni, its timers, and a crash at any point.

Time passes only when somebody sleeps. Its ports are in `hands`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from failover.actuators.ports import Observation
from failover.journal import DeposedError, Entry, OperationRunningError
from failover.runner import Clock
from failover.verbs import Check, Expectation

LEASE_S = 20.0
PATRONI_SLEEPS_S = 2.0


class Crashed(BaseException):
    """The orchestrator's process is gone. Not an Exception: nothing under test may catch it."""


class Being(Enum):
    PRIMARY = "primary"
    STANDBY = "standby"
    STRANDED = "stranded"  # runs, and waits for WAL that nobody has any more
    STOPPED = "stopped"
    OFF = "off"


@dataclass
class Rehearsal:
    """The estate. `crash_at`: the number of the point at which the orchestrator dies; None: never."""

    beings: dict[str, Being] = field(
        default_factory=lambda: {
            "dc1-db1": Being.PRIMARY,
            "dc1-db2": Being.STANDBY,
            "dc2-db1": Being.STANDBY,
            "dc2-db2": Being.STANDBY,
        }
    )
    key: tuple[str, int] | None = ("dc1-db1", 1)
    sync: set[str] = field(default_factory=lambda: {"dc1-db2", "dc2-db1"})
    sync_version: int = 1
    announced: tuple[str, str, str] | None = None
    ordered: tuple[str, str] | None = None
    sync_count: int = 2
    paused: tuple[str, float] | None = None
    fenced: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    checkpointed: set[str] = field(default_factory=set)
    reinitialized: int = 0
    site: str = "dc1"
    writes_open: bool = True
    quorum: bool = True
    others_off: bool = False
    preflight: bool = True
    now: float = 0.0
    since: float = 0.0
    epoch: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)
    crash_at: int | None = None
    points: int = 0

    def point(self) -> None:
        """A place where the orchestrator may die."""
        self.points += 1
        if self.crash_at is not None and self.points > self.crash_at:
            raise Crashed

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.live()

    def settle(self, seconds: float = 90.0) -> None:
        for _ in range(int(seconds)):
            self.sleep(1.0)

    @property
    def primaries(self) -> list[str]:
        return [host for host, being in self.beings.items() if being is Being.PRIMARY]

    @property
    def writer(self) -> str | None:
        """The host that acknowledges writes: primary, with the key."""
        return self.key[0] if self.key and self.key[0] in self.primaries else None

    # --- what happens by itself ---------------------------------------------------------------------------

    def live(self) -> None:
        if self.paused and self.now >= self.paused[1]:
            self.paused = None  # the dead man's timer of the application hosts
        if self.quorum:
            self._hand_over()
            self._lease()
            self._elect()
            self._follow()

    def _hand_over(self) -> None:
        if self.ordered and self.writer == self.ordered[0]:
            self.beings[self.ordered[0]] = Being.STOPPED
            self.since = self.now

    def _lease(self) -> None:
        if self.key is None:
            return
        state = self.beings[self.key[0]]
        patience = PATRONI_SLEEPS_S if state is Being.STOPPED else LEASE_S
        if state in (Being.STOPPED, Being.OFF) and self.now - self.since >= patience:
            self.key = None

    def _elect(self) -> None:
        if self.key is not None:
            return
        named = self.ordered[1] if self.ordered else None
        fit = [host for host in sorted(self.sync) if self.beings[host] is Being.STANDBY]
        chosen = named if named in fit else next(iter(fit), None)
        if chosen is None:
            chosen = next(iter(self.primaries), None)
        if chosen:
            self.promote(chosen)

    def promote(self, host: str) -> None:
        self.beings[host] = Being.PRIMARY
        self.key = (host, self.sync_version + 100)
        self.sync, self.sync_version, self.ordered = set(), self.sync_version + 1, None

    def _follow(self) -> None:
        writer = self.writer
        if writer is None:
            return
        for host, being in self.beings.items():
            if being is Being.PRIMARY and host != writer:
                self.beings[host] = Being.STANDBY
            if being is Being.STOPPED and host not in self.held:
                self.beings[host] = Being.STANDBY
        standbys = [host for host, being in self.beings.items() if being is Being.STANDBY]
        wanted = set(sorted(standbys)[: self.sync_count])
        if wanted != self.sync and self.ordered is None:
            self.sync, self.sync_version = wanted, self.sync_version + 1

    def power_off(self, host: str) -> None:
        self.beings[host], self.since = Being.OFF, self.now


@dataclass
class Sensors:
    """Answers every check from the estate."""

    estate: Rehearsal

    def observe(self, expectation: Expectation) -> Observation:
        self.estate.live()
        return Observation(self._holds(expectation), "rehearsed")

    def _holds(self, expectation: Expectation) -> bool:
        about = dict(expectation.arguments)
        return self._of_estate(expectation.check) or self._of_host(
            expectation.check, str(about.get("host", "")), about
        )

    def _of_estate(self, check: Check) -> bool:
        estate = self.estate
        return {
            Check.ALWAYS: True,
            Check.PREFLIGHT: estate.preflight and estate.writer is not None,
            Check.POOLS_PAUSED: estate.paused is not None,
            Check.POOLS_RUNNING: estate.paused is None,
            Check.NO_SWITCHOVER_PENDING: estate.ordered is None,
            Check.QUORUM: estate.quorum,
            Check.OTHERS_OFF: estate.others_off,
            Check.WRITES_OPEN: estate.writes_open,
            Check.WRITES_CLOSED: not estate.writes_open,
        }.get(check, False)

    def _of_host(self, check: Check, host: str, about: dict[str, str | int | float | bool]) -> bool:
        estate = self.estate
        being = estate.beings.get(host)
        held_by = estate.key[0] if estate.key else None
        return {
            Check.FENCED: host in estate.fenced,
            Check.NOT_FENCED: host not in estate.fenced,
            Check.KEY_NOT_HELD_BY: held_by != host,
            Check.CHECKPOINT_RECENT: host in estate.checkpointed,
            Check.IS_SYNCHRONOUS: host in estate.sync,
            Check.SYNCHRONOUS_COUNT: estate.sync_count == about.get("count"),
            Check.SHUT_DOWN_CLEANLY: being in (Being.STOPPED, Being.STANDBY),
            Check.IS_PRIMARY: estate.writer == host,
            Check.REPLACED: estate.writer not in (None, host),
            Check.ACCEPTS_WRITES: estate.writer is not None and host in ("any", estate.writer),
            Check.SITE_PREFERRED: estate.site == about.get("site"),
            Check.HOST_HELD: host in estate.held,
            Check.HOST_RETURNED: host not in estate.held,
            Check.STREAMS: being is Being.STANDBY and estate.writer is not None,
            Check.STRANDED: being is Being.STRANDED,
            Check.REBUILDING: being is Being.STANDBY,
        }.get(check, False)


@dataclass
class Office:
    """One orchestrator's place: its epoch, the guard that checks it, and the journal it may write."""

    estate: Rehearsal
    epoch: int

    def check(self) -> None:
        if self.estate.epoch > self.epoch:
            raise DeposedError(f"epoch {self.estate.epoch} has begun, this is {self.epoch}")

    def open(self, entry: Entry) -> None:
        self.check()
        if running := self.current():
            raise OperationRunningError(running)
        self.save(entry)

    def save(self, entry: Entry) -> None:
        self.estate.point()
        self.check()
        self.estate.entries[entry.id] = entry
        self.estate.point()

    def current(self) -> Entry | None:
        return next((entry for entry in self.estate.entries.values() if entry.outcome is None), None)

    def entries(self) -> tuple[Entry, ...]:
        return tuple(self.estate.entries.values())

"""Records who was shown what: first on this host's disk, then, in batches, in the database.

A read must not wait for a commit on two sites, and must be possible while no primary answers. So an answer
leaves once its entry is in the spool, and a task delivers. What cannot be spooled, or not delivered for so
long that the bound is reached, is not shown (503): a disclosure is recorded or does not happen.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from pathlib import Path

import psycopg
import structlog

from app import metrics
from app.audit import repository
from app.audit.model import Entry, Kind, Notice
from app.audit.spool import Segment, Spool, orphans
from app.background import end
from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.errors import Problem, ProblemError
from app.identity import new_id, now
from app.settings import Settings

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
AT_ONCE = 500  # entries a statement
PRINCIPAL = "system:audit"
NOT_RECORDED = "what is shown must be recorded, and cannot be now; nothing was shown"


class Recorder:
    """One a process. `open` before the first request, `close` after the last."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.name = f"{settings.host}-{os.getpid()}-{new_id().hex[-8:]}"
        self._database = database
        self._settings = settings
        self._own_directory: tempfile.TemporaryDirectory[str] | None = None
        self._spool: Spool | None = None
        self._segment: Segment | None = None  # the one that is written to
        self._full: deque[Segment] = deque()
        self._waiting = 0
        self._began = False
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Raises OSError: there is no spool, and so nothing could be shown."""
        common = self._directory()
        common.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._spool = Spool.open(common, self.name)
        self._adopt(common)
        self._task = asyncio.create_task(self._deliver_for_ever(), name="audit recorder")

    async def close(self) -> None:
        """Deliver what is left if the database takes it now; else it stays for the next process."""
        if self._task is None or self._spool is None:
            return
        await end(self._task)
        if self._began and await self._deliver():
            self.record(self._notice(Notice.ENDED, self.name))
            await self._deliver()
        self._spool.close()
        if self._own_directory is not None:
            self._own_directory.cleanup()

    def check(self) -> None:
        """Raises ProblemError when so much waits that nothing more may be shown."""
        if self._waiting >= self._settings.audit_backlog:
            raise ProblemError(Problem.OVERLOADED, NOT_RECORDED)

    def record(self, entry: Entry) -> None:
        """Raises ProblemError: it was not recorded, so do not show it."""
        try:
            if not self._began:
                self._began = True
                self._append(self._notice(Notice.BEGAN, self.name))
            self._append(entry)
        except OSError as error:
            log.warning("the audit's spool takes no entry", error=str(error))
            raise ProblemError(Problem.OVERLOADED, NOT_RECORDED) from error

    def _append(self, entry: Entry) -> None:
        if self._segment is None:
            assert self._spool is not None
            self._segment = self._spool.segment()
        self._segment.append(entry)
        self._waiting += 1
        self._work.set()

    def _directory(self) -> Path:
        if self._settings.audit_directory is not None:
            return Path(self._settings.audit_directory)
        self._own_directory = tempfile.TemporaryDirectory(prefix="crm-audit-")
        return Path(self._own_directory.name)

    def _adopt(self, common: Path) -> None:
        """Take over what processes left that did not end in order, and say so in the log itself.

        Should this process end in the middle of it, an entry is there twice; it is sealed once.
        """
        for orphan in orphans(common):
            log.warning(
                "an audit spool is taken over", of=orphan.name, entries=len(orphan.entries), torn=orphan.torn
            )
            for entry in orphan.entries:
                self.record(entry)
            self.record(self._notice(Notice.TAKEN_OVER, orphan.name, torn=orphan.torn))
            orphan.remove()

    def _notice(self, notice: Notice, of: str, *, torn: int = 0) -> Entry:
        return Entry(
            id=new_id(),
            site=self._settings.site,
            at=now(),
            kind=Kind.NOTICE,
            principal=PRINCIPAL,
            unit=None,
            region=None,
            partner=None,
            operation=f"{notice}, {torn} entries torn" if torn else notice.value,
            status=0,
            subjects=(f"recorders/{of}",),
            trace=self.name,
            client=None,
        )

    async def _deliver_for_ever(self) -> None:
        while True:
            await self._work.wait()
            await asyncio.sleep(PAUSE_SECONDS)
            self._work.clear()
            if not await self._deliver():
                self._work.set()

    async def _deliver(self) -> bool:
        """Store all that was recorded until now. False if something stays in the spool for another time."""
        if self._segment is not None:
            self._full.append(self._segment)
            self._segment = None
        metrics.AUDIT_WAITING.set(self._waiting)
        while self._full:
            segment = self._full[0]
            if not await self._store(segment.lines):
                await self._keep(segment)
                return False
            self._full.popleft()
            segment.remove()
            self._waiting -= len(segment.lines)
        metrics.AUDIT_WAITING.set(self._waiting)
        return True

    async def _keep(self, segment: Segment) -> None:
        try:
            await asyncio.to_thread(segment.to_disk)
        except OSError as error:
            log.warning("the audit's spool is not on the disk", error=str(error))

    async def _store(self, lines: list[bytes]) -> bool:
        """Whether the database has them all. What it got twice (after an unknown outcome) is sealed once."""
        seconds = min(self._settings.request_deadline_seconds, self._settings.drain_seconds or 1.0)
        command = Command("crm audit", PRINCIPAL, None, b"", seconds, audited=False)
        for start in range(0, len(lines), AT_ONCE):
            parameters = repository.delivery(lines[start : start + AT_ONCE])

            async def work(unit: WriteUnit) -> Answer:
                await unit.queue(repository.DELIVER, parameters)  # noqa: B023  # awaited before the next turn
                return Answer(204, b"")

            try:
                await self._database.write(command, work)
            except (ProblemError, psycopg.Error) as error:
                log.info("disclosures wait in the spool", waiting=self._waiting, error=str(error))
                return False
        return True

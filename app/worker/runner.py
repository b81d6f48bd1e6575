"""The worker's life: stand for office, begin a term, run the jobs while it lasts, start over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
import structlog

from app import metrics
from app.access.principal import acting_as
from app.database.database import Database
from app.database.outcome import DEPOSED
from app.errors import ProblemError
from app.worker import term as terms
from app.worker.jobs import Job
from app.worker.office import Office
from app.worker.term import Term

log = structlog.get_logger(__name__)

CAMPAIGN_SECONDS = 1.0
AFTER_FAILURE_SECONDS = 1.0
DEADLINE_SECONDS = 30.0


class Worker:
    """`run_until` returns after the jobs under way have ended; nothing is cancelled."""

    def __init__(
        self,
        database: Database,
        office: Office,
        jobs: Sequence[Job],
        holder: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._database = database
        self._office = office
        self._jobs = jobs
        self._holder = holder
        self._deadline = deadline_seconds
        self.term: Term | None = None

    async def run_until(self, stop: asyncio.Event) -> None:
        with acting_as(terms.ACCESS):
            while not stop.is_set():
                if await self._office.campaign():
                    await self._serve(stop)
                await pause(stop, CAMPAIGN_SECONDS)

    async def _serve(self, stop: asyncio.Event) -> None:
        """One term, to its end."""
        try:
            term = await terms.begin(self._database, self._holder, self._deadline)
        except (ProblemError, psycopg.Error) as error:
            log.info("no term yet", reason=str(error))
            return
        log.info("term begins", epoch=term.epoch, holder=self._holder)
        metrics.WORKER_EPOCH.set(term.epoch)
        self.term = term
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stay(stop), name="office")
                for job in self._jobs:
                    group.create_task(self._repeat(job, term, stop), name=f"job {job.name}")
        finally:
            self.term = None
            metrics.WORKER_EPOCH.set(0)
            log.info("term ends", epoch=term.epoch)

    def _serves(self, stop: asyncio.Event) -> bool:
        """Whether the term lasts. Who sees its end ends it for all: an office held again is a new term's.

        Otherwise a session away for 34 ms ended the jobs that looked meanwhile, and the others kept the
        term, and with it those that had ended, for ever (a drill: no event was numbered any more).
        """
        if stop.is_set() or not self._office.held:
            self.term = None
        return self.term is not None

    async def _stay(self, stop: asyncio.Event) -> None:
        """Asks for the office again and again: that finds out whether it is lost."""
        while self._serves(stop):
            if not await self._office.campaign():
                self.term = None
            await pause(stop, CAMPAIGN_SECONDS)

    async def _repeat(self, job: Job, term: Term, stop: asyncio.Event) -> None:
        while self._serves(stop):
            more, wait = False, job.interval_seconds
            started = time.monotonic()
            try:
                more = await job.work(self._database, term.command(job.name))
                outcome = "done"
            except ProblemError as error:
                outcome, wait = error.problem.value.code, max(wait, AFTER_FAILURE_SECONDS)
                log.info("a job waits", job=job.name, reason=str(error))
            except Exception as error:  # noqa: BLE001 - one job's failure must not end the others
                outcome, wait = self._explain(job, error), max(wait, AFTER_FAILURE_SECONDS)
            metrics.JOB_RUNS.labels(job.name, outcome).inc()
            metrics.JOB_SECONDS.labels(job.name).observe(time.monotonic() - started)
            if not more:
                await self._wait(stop, wait)

    def _explain(self, job: Job, error: Exception) -> str:
        if isinstance(error, psycopg.Error) and error.sqlstate == DEPOSED:
            log.warning("deposed", job=job.name)
            self.term = None
            return "deposed"
        log.error("a job failed; it is tried again", job=job.name, exc_info=error)
        return type(error).__name__

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        """In steps, so that the end of a term is not slept through."""
        until = time.monotonic() + seconds
        while self._serves(stop) and (left := until - time.monotonic()) > 0:
            await pause(stop, min(left, CAMPAIGN_SECONDS))


async def pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()

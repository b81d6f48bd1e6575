"""The worker: one at a time over both sites, fenced by its term, through failures of all it stands on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from app.access.principal import acting_as
from app.database.answer import Answer
from app.database.database import Database
from app.database.outcome import DEPOSED
from app.devserver import THROWAWAY, create_crm_database, running_server
from app.settings import Settings
from app.worker import term as terms
from app.worker.jobs import JOBS, Job
from app.worker.office import AdvisoryOffice
from app.worker.runner import Worker

SECONDS = 120


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


class Freely:
    """An office that elects everybody: what a frozen process believes of its session."""

    held = True

    async def campaign(self):
        return True

    async def close(self):
        pass


class Blinking(Freely):
    """An office whose session is away for a moment: one of those who look sees it."""

    def __init__(self):
        self.away = False

    @property
    def held(self):
        away, self.away = self.away, False
        return not away


class Unanswered(Freely):
    """An office that is held, and about which ZooKeeper does not answer once."""

    def __init__(self):
        self.silent = False

    async def campaign(self):
        silent, self.silent = self.silent, False
        return not silent


class Counting:
    """A job that writes down, in its transaction, who ran it."""

    def __init__(self):
        self.epochs = []

    async def run(self, database, command):
        async def work(unit):
            await unit.one("SELECT 1", {}, lambda row: row[0])
            return Answer(200, b"{}")

        await database.write(command, work)
        self.epochs.append(command.epoch)
        return False


@asynccontextmanager
async def working(dsn, office, jobs=JOBS, holder="dc1/app1"):
    patience = {"connect_seconds": 20, "probe_timeout_seconds": 20, "pool_wait_seconds": 30}
    database = Database(Settings(database_url=dsn, request_deadline_seconds=30, drain_seconds=1, **patience))
    await database.open()
    stop = asyncio.Event()
    worker = Worker(database, office, jobs, holder)
    running = asyncio.create_task(worker.run_until(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running
        await office.close()
        await database.close()


def job(counting, interval=0.02):
    return (Job("counting", interval, counting.run, "for tests"),)


@pytest.fixture
def own(postgres_server, number):
    return create_crm_database(postgres_server, f"worker_{number}")


async def test_overdue_requests_are_found_and_events_numbered(own, start_api):
    async with start_api(own.url()) as api, working(own.url(), AdvisoryOffice(own.url())):
        form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "?"}
        request = (await api.post("/api/v1/requests", form)).json()
        with psycopg.connect(own.admin_url, autocommit=True) as admin:
            admin.execute("UPDATE crm.request SET reaction_due = now() - '1 hour'::interval")

            def marked():
                row = admin.execute("SELECT reaction_overdue_at FROM crm.request").fetchone()
                numbered = admin.execute("SELECT count(*) FROM crm.event").fetchone()
                return row[0] is not None and numbered[0] > 0

            await until(marked)
        assert request["status"] == "new"


@pytest.mark.safety
async def test_one_of_two_works_and_the_other_takes_over(own):
    first, second = Counting(), Counting()
    async with working(own.url(), AdvisoryOffice(own.url()), job(second), "dc2/app1"):
        await until(lambda: second.epochs)
        async with working(own.url(), AdvisoryOffice(own.url()), job(first)):
            done = len(second.epochs)
            await until(lambda: len(second.epochs) > done + 20)
            assert first.epochs == []
    async with working(own.url(), AdvisoryOffice(own.url()), job(first)):
        await until(lambda: first.epochs)
    assert min(first.epochs) > max(second.epochs)


@pytest.mark.safety
async def test_a_worker_that_does_not_know_it_was_deposed_changes_nothing(own):
    """Both believe to be in office. The later term fences the earlier one in the database itself."""
    old, new = Counting(), Counting()
    async with working(own.url(), Freely(), job(old)) as frozen:
        await until(lambda: old.epochs)
        stale = frozen.term
        frozen._jobs = ()  # it would stand again
        async with working(own.url(), Freely(), job(new), "dc2/app1") as worker:
            await until(lambda: new.epochs)
            assert new.epochs[0] == stale.epoch + 1
            await until(lambda: frozen.term is None or frozen.term.epoch != stale.epoch)
            with acting_as(terms.ACCESS), pytest.raises(psycopg.Error) as refused:
                await Counting().run(worker._database, stale.command("late"))
    assert refused.value.sqlstate == DEPOSED
    assert set(old.epochs) == {stale.epoch}


async def test_a_session_away_for_a_moment_ends_the_term_of_all_jobs(own):
    """Whoever looks in that moment: a job that ended alone would wait for the end of all others."""
    counts, office = [Counting() for _ in range(5)], Blinking()
    jobs = tuple(replace(job(each)[0], name=f"job {number}") for number, each in enumerate(counts))
    async with working(own.url(), office, jobs):
        for term in range(1, 4):
            await until(lambda: all(each.epochs for each in counts))
            epoch = max(each.epochs[-1] for each in counts)
            office.away = True
            await until(lambda: all(each.epochs[-1] > epoch for each in counts))  # noqa: B023 - used at once
            assert {each.epochs[-1] for each in counts} == {epoch + 1}, term


async def test_no_answer_about_the_office_ends_the_term(own):
    counting, office = Counting(), Unanswered()
    async with working(own.url(), office, job(counting)):
        await until(lambda: counting.epochs)
        office.silent = True
        await until(lambda: counting.epochs[-1] == counting.epochs[0] + 1)


async def test_a_failing_job_does_not_stop_the_others(own):
    async def broken(_, __):
        raise ValueError("broken")

    counting = Counting()
    jobs = (Job("broken", 0.01, broken, "for tests"), *job(counting))
    async with working(own.url(), AdvisoryOffice(own.url()), jobs):
        await until(lambda: len(counting.epochs) > 3)


async def test_it_goes_on_after_the_database_was_away():
    counting = Counting()
    with running_server(THROWAWAY) as server:
        crm = create_crm_database(server)
        async with working(crm.url(), AdvisoryOffice(crm.url()), job(counting)):
            await until(lambda: counting.epochs)
            await asyncio.to_thread(server.stop)
            before = max(counting.epochs)
            await asyncio.to_thread(server.start)
            await until(lambda: max(counting.epochs) > before)  # its lock was gone: a new term

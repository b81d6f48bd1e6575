"""A session's statements: what they are answered, and that an error or an end leaves nothing half done."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from app.database.connection import CrmConnection
from app.database.statements import PREPARED_MAX
from tests.integration.app.conftest import running_api

PREPARED = "SELECT statement FROM pg_prepared_statements"
PLANS = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE %(like)s"


@pytest.fixture
async def session(crm):
    connection = await CrmConnection.connect(crm.url(), autocommit=True, prepare_threshold=None)
    yield connection
    await connection.close()


async def _answer(session, sql, parameters=None):
    reply = session.statements.queue(sql, parameters)
    await session.statements.send()
    return reply.rows()


@pytest.mark.safety
async def test_all_that_is_queued_is_answered_each_to_its_own(session):
    replies = [session.statements.queue("SELECT %(n)s::int, %(t)s", {"n": n, "t": None}) for n in range(5)]
    await session.statements.send()
    assert [reply.rows() for reply in replies] == [[(n, None)] for n in range(5)]
    assert replies[0].status == "SELECT 1"


async def test_a_statement_is_prepared_once_a_session(session):
    sql = "SELECT %(text)s::text || %(text)s"
    for word in ("a", "b"):
        assert await _answer(session, sql, {"text": word}) == [(word * 2,)]
    assert [text for (text,) in await _answer(session, PREPARED)].count("SELECT $1::text || $1") == 1


async def test_the_oldest_makes_room(session):
    for n in range(PREPARED_MAX + 5):
        assert await _answer(session, f"SELECT {n}") == [(n,)]
    kept = [text for (text,) in await _answer(session, PREPARED)]
    assert len(kept) == PREPARED_MAX
    assert "SELECT 5" not in kept
    assert f"SELECT {PREPARED_MAX + 4}" in kept
    assert await _answer(session, "SELECT 5") == [(5,)]


@pytest.mark.safety
async def test_the_first_error_is_told_and_what_stood_behind_it_was_not_done(session):
    session.statements.queue("CREATE TEMP TABLE done (n int)")
    session.statements.queue("SELECT 1 / %(by)s::int", {"by": 0})
    behind = session.statements.queue("SELECT 'never prepared before'")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await session.statements.send()
    assert behind.status == ""
    assert session.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert await _answer(session, "SELECT to_regclass('done')") == [(None,)]
    assert await _answer(session, "SELECT 'never prepared before'") == [("never prepared before",)]


async def test_an_error_in_a_transaction_waits_for_its_rollback(session):
    session.statements.queue("BEGIN")
    session.statements.queue("SELECT nothing")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await session.statements.send()
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        await _answer(session, "SELECT 1")
    commit = session.statements.queue("COMMIT")
    await session.statements.send()
    assert commit.status == "ROLLBACK"
    assert await _answer(session, "SELECT 1") == [(1,)]


async def test_what_postgresql_cannot_take_is_refused_before_anything_is_sent(session):
    with pytest.raises(psycopg.DataError):
        session.statements.queue("SELECT %(text)s", {"text": "a\x00b"})
    assert await _answer(session, "SELECT 1") == [(1,)]


async def test_what_is_forgotten_is_not_sent(session):
    session.statements.queue("SELECT nothing")
    session.statements.forget()
    assert await _answer(session, "SELECT 1") == [(1,)]


async def test_more_than_the_wire_holds_at_once(session):
    text = "ы" * 4_000_000
    replies = [session.statements.queue("SELECT %(text)s::text", {"text": text}) for _ in range(3)]
    await session.statements.send()
    assert all(reply.rows() == [(text,)] for reply in replies)


@pytest.mark.safety
async def test_a_session_that_ends_is_a_lost_connection(session, admin):
    waiting = asyncio.create_task(_answer(session, "SELECT pg_sleep(600)"))
    asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while not admin.execute(asked, (session.info.backend_pid,)).fetchall():
        await asyncio.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        await waiting
    assert not session.alive


@pytest.mark.safety
async def test_who_is_cancelled_leaves_a_session_of_use(session, admin):
    waiting = asyncio.create_task(_answer(session, "SELECT pg_sleep(600)"))
    asked = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while not admin.execute(asked, (session.info.backend_pid,)).fetchall():
        await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await _answer(session, "SELECT 1") == [(1,)]


async def test_the_search_is_planned_once_and_not_anew_for_what_is_looked_for(crm):
    async with running_api(crm.url(), pool_max_size=1) as api:
        for word in (
            "7707083893",
            "8 (916) 123-45-67",
            "Ромашка",
            "север",
            "ООО Вектор",
            "x@example.com",
            "77",
        ):
            answer = await api.get(f"/api/v1/customers/search?q={word}&fresh=true")
            assert answer.status_code == 200
        async with api.database.primary.connection() as connection:
            plans = await _answer(connection, PLANS, {"like": "%find_by_words%"})
    assert plans == [(0, 7)]

"""Migrations on a real server: twice, at once, as the roles the house has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from app.devserver import PrivateServer, create_crm_database
from app.migrate import Migration, MigrationError, load, migrate
from app.roles import Role, ensure_database, ensure_roles

# Less than what ends a whole test, more than a machine takes that stops these processes for a minute.
RUN_SECONDS = 300.0
SESSIONS = """
SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), left(query, 100) FROM pg_stat_activity
WHERE datname = 'migrating'
"""


@pytest.fixture
def empty_database(postgres_server: PrivateServer) -> Iterator[str]:
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        ensure_roles(connection, dict.fromkeys(Role, postgres_server.password))
        ensure_database(connection, "migrating")
        yield postgres_server.url("migrating", Role.OWNER.value)
        connection.execute("DROP DATABASE migrating WITH (FORCE)")


def at_once(databases: list[str]) -> list[tuple[Migration, ...]]:
    """What each run applied. Fails with what the sessions wait for, where a run does not end.

    The threads of such runs are not joined here, but end with their sessions, when the database is dropped.
    """
    threads = ThreadPoolExecutor(len(databases))
    runs = [threads.submit(migrate, database) for database in databases]
    threads.shutdown(wait=False)
    if wait(runs, RUN_SECONDS).not_done:
        with psycopg.connect(databases[0]) as connection:
            found = connection.execute(SESSIONS).fetchall()
        pytest.fail(f"migrations still running after {RUN_SECONDS:.0f} s; the sessions: {found}")
    return [run.result() for run in runs]


def test_a_second_run_changes_nothing(empty_database):
    assert [m.version for m in migrate(empty_database)] == [m.version for m in load()]
    assert migrate(empty_database) == ()


def test_concurrent_runs_apply_each_file_once(empty_database):
    runs = at_once([empty_database] * 3)
    assert sorted(m.version for run in runs for m in run) == [m.version for m in load()]


def test_a_changed_file_is_refused(empty_database):
    first, *rest = load()
    migrate(empty_database)
    with pytest.raises(MigrationError, match="0001 foundation was changed"):
        migrate(empty_database, [replace(first, sql=first.sql + "-- edited"), *rest])


def test_a_failing_file_leaves_nothing_behind(empty_database):
    broken = Migration(1, "broken", "CREATE TABLE crm.half (id int); SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database, [broken])
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('crm.half')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM crm.schema_migration").fetchone() == (0,)


def test_a_lock_held_by_another_session_stops_a_migration_with_a_reason(empty_database, monkeypatch):
    migrate(empty_database)
    monkeypatch.setattr("app.migrate.LOCK_TIMEOUT", "10ms")
    monkeypatch.setattr("app.migrate.LOCK_ATTEMPTS", 2)
    blocked = [
        *load(),
        Migration(load()[-1].version + 1, "blocked", "ALTER TABLE crm.customer ADD COLUMN x int"),
    ]
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT count(*) FROM crm.customer")
        with pytest.raises(MigrationError, match="no lock in 2 x 10ms"):
            migrate(empty_database, blocked)


def test_an_index_that_waits_for_a_long_transaction_gives_up_with_a_reason(empty_database, monkeypatch):
    """And says how long it waited; a repeated run begins from the file's first statement."""
    migrate(empty_database)
    monkeypatch.setattr("app.migrate.PATIENT_TIMEOUT", "100ms")
    statements = (
        "DROP INDEX CONCURRENTLY IF EXISTS crm.waits_idx;\n\n"
        "CREATE INDEX CONCURRENTLY waits_idx ON crm.customer (name);"
    )
    last = load()[-1].version
    waits = [*load(), Migration(last + 1, "waits", statements, alone=True)]
    with psycopg.connect(empty_database) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM crm.region")  # another table: its snapshot is waited for
        with pytest.raises(MigrationError, match="waits: no lock in 1 x 100ms"):
            migrate(empty_database, waits)
    monkeypatch.undo()
    assert [m.version for m in migrate(empty_database, waits)] == [last + 1]


def test_a_history_that_somebody_holds_locked_is_not_waited_for(empty_database, monkeypatch):
    migrate(empty_database)
    monkeypatch.setattr("app.migrate.LOCK_TIMEOUT", "10ms")
    with psycopg.connect(empty_database) as holder:
        holder.execute("SET ROLE crm_owner")
        holder.execute("LOCK TABLE crm.schema_migration IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(empty_database)


def test_the_app_owns_nothing_and_the_audit_role_reads_everything(postgres_server):
    database = create_crm_database(postgres_server, "grants")
    with psycopg.connect(database.url(Role.AUDIT)) as audit:
        tables = [row[0] for row in audit.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'crm'")]
        assert "customer" in tables
        for table in tables:
            audit.execute(sql.SQL("SELECT * FROM crm.{} LIMIT 0").format(sql.Identifier(table)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            audit.execute("DELETE FROM crm.customer")
    with psycopg.connect(database.url(Role.APP)) as app:
        owned = app.execute("SELECT count(*) FROM pg_class WHERE relowner = 'crm_app'::regrole")
        assert owned.fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DROP TABLE crm.customer")


def test_the_audit_role_reads_tables_of_later_migrations_too(postgres_server):
    database = create_crm_database(postgres_server, "later")
    later = Migration(load()[-1].version + 1, "later", "CREATE TABLE crm.later (id int)")
    migrate(database.url(Role.OWNER), [*load(), later])
    with psycopg.connect(database.url(Role.AUDIT)) as audit:
        assert audit.execute("SELECT count(*) FROM crm.later").fetchone() == (0,)


def test_the_monitor_may_write_its_probe_and_nothing_else(postgres_server):
    database = create_crm_database(postgres_server, "probe")
    with psycopg.connect(database.url(Role.MONITOR), autocommit=True) as monitor:
        monitor.execute(
            "INSERT INTO ops.writer_probe VALUES ('10.77.1.21', now()) "
            "ON CONFLICT (node) DO UPDATE SET at = excluded.at"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("SELECT * FROM crm.customer")

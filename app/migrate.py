"""Migrations: plain SQL files, applied in order, each in one transaction, under an advisory lock.

Rules for a file in app/migrations/ (docs/decisions/0104-migrations.md):
- it is never changed once released: its hash is recorded and compared;
- the version before it must go on serving while it runs and after it: add, do not rename or drop;
- what ends the service of an older release stands in a file `NNNN_name.finish.sql` of its own: it is applied
  only when the operator says that no host serves an older release, or to an empty database;
- what cannot run in a transaction (an index built concurrently, rows removed in batches) stands in a file
  `NNNN_name.alone.sql` (or `.finish.alone.sql`): statements apart by an empty line, and safe to be repeated;
- it takes no lock that waits longer than `LOCK_TIMEOUT`: it gives up, and is tried again.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import errors

DIRECTORY = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(
    r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)(?P<finishes>\.finish)?(?P<alone>\.alone)?\.sql"
)

ADVISORY_LOCK = (0x7769_6E73, 1)  # two-integer key space: cannot meet the API's one-bigint keys
LOCK_TIMEOUT = "3s"
LOCK_ATTEMPTS = 5
PATIENT_TIMEOUT = "10min"  # of a migration that stands alone, which is tried once
QUEUE_SECONDS = 120.0  # how long to wait for another migration run to end
REQUIRED_ROLES = ("crm_owner", "crm_app", "crm_audit", "monitor")


class MigrationError(Exception):
    """The schema cannot be brought up to date; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """`finishes`: what it takes away, an older release still needs. `alone`: outside a transaction."""

    version: int
    name: str
    sql: str
    finishes: bool = False
    alone: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load(directory: Path = DIRECTORY) -> tuple[Migration, ...]:
    """All migration files in order. Raises MigrationError for a strange name or a number used twice.

    Gaps are meant: slices number their migrations in ranges of their own.
    """
    found = []
    for path in sorted(directory.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: expected a name like 0001_foundation.sql")
        sql = path.read_text(encoding="utf-8")
        found.append(
            Migration(
                int(match["version"]),
                match["name"],
                sql,
                match["finishes"] is not None,
                match["alone"] is not None,
            )
        )
    versions = [migration.version for migration in found]
    if len(set(versions)) != len(versions):
        raise MigrationError(f"a number is used twice: {versions}")
    return tuple(found)


def pending(known: Sequence[Migration], applied: dict[int, str]) -> tuple[Migration, ...]:
    """What is still to do, given the hashes of what was applied. Raises if an applied file was changed.

    Versions in the database that we do not know are fine: they were made by a newer release, whose
    migrations must let ours serve.
    """
    for migration in known:
        recorded = applied.get(migration.version)
        if recorded is not None and recorded != migration.sha256:
            raise MigrationError(
                f"migration {migration.version:04} {migration.name} was changed after it was applied; "
                "restore the file and put the change in a new one"
            )
    return tuple(m for m in known if m.version not in applied)


def migrate(
    dsn: str, migrations: Sequence[Migration] | None = None, *, finish: bool = False
) -> tuple[Migration, ...]:
    """Apply what is missing and return it. Safe to run twice, concurrently, and while the API serves.

    Finishing migrations wait until `finish` says that no older release serves; at an empty database none can.
    """
    known = load() if migrations is None else tuple(migrations)
    with _connect(dsn) as connection:
        _limit_locks(connection, LOCK_TIMEOUT)
        _check_server(connection)
        connection.execute("SET ROLE crm_owner")
        _take_lock(connection)
        _ensure_history(connection)
        applied = _applied(connection)
        todo = tuple(m for m in pending(known, applied) if finish or not applied or not m.finishes)
        for migration in todo:
            _apply(connection, migration)
        return todo


def waiting(dsn: str, migrations: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """What is still to be applied, after a run of `migrate`: finishing migrations."""
    with _connect(dsn) as connection:
        _limit_locks(connection, LOCK_TIMEOUT)
        return pending(load() if migrations is None else migrations, _applied(connection))


def _connect(dsn: str) -> psycopg.Connection:
    """A primary that vanishes without a word ends the run within half a minute."""
    return psycopg.connect(
        dsn,
        autocommit=True,
        application_name="crm migrate",
        connect_timeout=10,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=4,
        tcp_user_timeout=30_000,
    )


def _limit_locks(connection: psycopg.Connection, timeout: str) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (timeout,))


def _check_server(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(REQUIRED_ROLES),)
    ).fetchall()
    missing = sorted(set(REQUIRED_ROLES) - {row[0] for row in rows})
    if missing:
        raise MigrationError(f"roles missing: {', '.join(missing)}; run `python -m app roles` as a superuser")
    in_recovery = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if in_recovery is not None and in_recovery[0]:
        raise MigrationError("this server is a standby; point CRM_MIGRATION_URL at the primary")


def _take_lock(connection: psycopg.Connection) -> None:
    """Session lock, let go when the connection ends, however it ends."""
    deadline = time.monotonic() + QUEUE_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", ADVISORY_LOCK).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationError(f"another migration has been running for {QUEUE_SECONDS:.0f} s")
        time.sleep(0.2)


def _ensure_history(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("CREATE SCHEMA IF NOT EXISTS crm")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS crm.schema_migration ("
            " version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )


def _applied(connection: psycopg.Connection) -> dict[int, str]:
    return dict(connection.execute("SELECT version, sha256 FROM crm.schema_migration").fetchall())


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    timeout, attempts = (PATIENT_TIMEOUT, 1) if migration.alone else (LOCK_TIMEOUT, LOCK_ATTEMPTS)
    _limit_locks(connection, timeout)
    for attempt in range(1, attempts + 1):
        try:
            (_apply_alone if migration.alone else _apply_once)(connection, migration)
        except errors.LockNotAvailable as error:
            # A queue for a table lock stops every later reader: better to step back and let them pass.
            if attempt == attempts:
                raise MigrationError(
                    f"migration {migration.version:04} {migration.name}: no lock in {attempts} x {timeout}; "
                    "look for a long transaction in pg_stat_activity"
                ) from error
            time.sleep(0.5 * attempt)
        else:
            return


def _apply_once(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.sql.encode())  # simple protocol: many statements in one call
        _record(connection, migration)


def _apply_alone(connection: psycopg.Connection, migration: Migration) -> None:
    """Each statement commits by itself; a repeated run finds in the file how to clear away what was left.

    Waiting is harmless here: building an index concurrently waits for transactions, and nobody for it.
    """
    for statement in filter(None, map(str.strip, migration.sql.split("\n\n"))):
        connection.execute(statement.encode())
    _record(connection, migration)


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO crm.schema_migration (version, name, sha256) VALUES (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )

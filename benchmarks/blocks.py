"""How many blocks of PostgreSQL's memory a user's statements looked at: a cost that no busy machine changes.

Of executing and of planning, in memory or read; what functions, triggers and foreign keys look at included.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from app.devserver import CrmDatabase

# What the server needs to be started with.
SERVER = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
_INSTALL = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"
_LOOKED = """
SELECT coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::bigint, coalesce(sum(s.calls), 0)::bigint
FROM pg_stat_statements s
WHERE s.userid = %s::regrole AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True)
class Looked:
    """At blocks, by so many statements; those within functions count with the statement that called."""

    blocks: int
    statements: int

    def __sub__(self, earlier: Looked) -> Looked:
        return Looked(self.blocks - earlier.blocks, self.statements - earlier.statements)


def install(database: CrmDatabase) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(_INSTALL)


def looked(database: CrmDatabase, user: str) -> Looked:
    """By the statements that have ended in this database, since the server's start."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        row = connection.execute(_LOOKED, (user,)).fetchone()
    assert row is not None
    return Looked(*row)

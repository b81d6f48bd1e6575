"""Reads what a run left in the databases: the markers and the idempotency keys on every node.

Connections are of the role `crm_audit`, made by the caller's factory. A node that cannot be read is
reported as not caught up; it is never silently left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql

from failover.drills.model import FinalState, NodeState

Connection = psycopg.Connection[Any]
Connect = Callable[[str], Connection]
T = TypeVar("T")

# Where the load's markers stand: every table and column of docs/architecture.md that takes one.
MARKER_COLUMNS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("customer", "external_id"),
    ("request", "external_id"),
    ("request_event", "note"),
)
# A card transaction stands in the register of ids and in its month (app/migrations, 0070 and 0079): it is
# there as often as in either, and in part (0) unless it is in both.
TRANSACTIONS: LiteralString = """
SELECT marker, CASE WHEN count(*) = 2 THEN max(stored) ELSE 0 END
FROM (SELECT processing_id AS marker, count(*) AS stored
      FROM crm.card_transaction WHERE starts_with(processing_id, %(prefix)s) GROUP BY marker
      UNION ALL
      SELECT processing_id AS marker, count(*) AS stored
      FROM crm.card_transaction_detail WHERE starts_with(processing_id, %(prefix)s) GROUP BY marker
) AS places
GROUP BY marker
"""

# How often a replica is asked whether it has caught up, and a read that failed is done again.
POLL_S = 0.2
# A read of one run's rows is a few scans; longer means that something holds it.
STATEMENT_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a node stands in the log. `lsn` is written (primary) or replayed (standby)."""

    in_recovery: bool
    timeline: int
    lsn: str


class SqlStateReader:
    """Reads every database host by SQL; `connect(host)` returns a connection to that very host."""

    def __init__(self, hosts: Sequence[str], connect: Connect) -> None:
        self._hosts = tuple(hosts)
        self._connect = connect

    def collect(self, run_id: str, deadline_s: float) -> FinalState:
        """Return each node's rows of the run, once it has replayed what the primary had at the start.

        A read that fails is done again until the deadline: a conflict with the replay ends one, a busy node
        is late for another, and neither says anything of the rows. All nodes are read at once, so that a
        dead one takes no other's time.
        Two nodes out of recovery are both returned as primaries: the caller sees that something is wrong.
        """
        deadline = time.monotonic() + deadline_s
        # Each node's reading waits for its position, so there is a thread for either.
        with ThreadPoolExecutor(2 * len(self._hosts)) as pool:
            found = {host: pool.submit(self._position, host, deadline) for host in self._hosts}
            target = _first_primary(found.values())
            nodes = [
                pool.submit(self._node, host, found[host], target, run_id, deadline) for host in self._hosts
            ]
            return FinalState(tuple(node.result() for node in nodes))

    def _position(self, host: str, deadline: float) -> _Position | None:
        def read() -> _Position:
            with self._connect(host) as connection:
                return _read_position(connection)

        return _insist(read, deadline)

    def _node(
        self,
        host: str,
        found: Future[_Position | None],
        target: _Position | None,
        run_id: str,
        deadline: float,
    ) -> NodeState:
        unread = NodeState(host, is_primary=False, caught_up=False, timeline=None, markers={}, executions={})
        position = found.result()
        if position is None or target is None:
            return unread

        def read() -> NodeState:
            with self._connect(host) as connection:
                if position.in_recovery and not _wait_for_replay(connection, target.lsn, deadline):
                    return unread
                return NodeState(
                    node=host,
                    is_primary=not position.in_recovery,
                    caught_up=True,
                    timeline=position.timeline,
                    markers={**_markers(connection, run_id), **_transactions(connection, run_id)},
                    executions=_executions(connection, run_id),
                )

        return _insist(read, deadline) or unread


def _first_primary(found: Iterable[Future[_Position | None]]) -> _Position | None:
    """As soon as one has answered; None when all have, or have not by the deadline, and none is primary."""
    positions = (each.result() for each in as_completed(found))
    return next((each for each in positions if each is not None and not each.in_recovery), None)


def _insist(read: Callable[[], T], deadline: float) -> T | None:
    """Return what it reads; None when it fails past the deadline."""
    while True:
        try:
            return read()
        except psycopg.Error:
            if time.monotonic() >= deadline:
                return None
        time.sleep(POLL_S)


def _read_position(connection: Connection) -> _Position:
    row = connection.execute(
        """
        SELECT pg_is_in_recovery(),
               coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                        (SELECT timeline_id FROM pg_control_checkpoint())),
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text
        """
    ).fetchone()
    assert row is not None
    return _Position(*row)


def _wait_for_replay(connection: Connection, lsn: str, deadline: float) -> bool:
    """Wait until a standby has replayed up to `lsn`; return whether it did by the deadline."""
    while True:
        row = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()
        if row is not None and row[0]:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)


def _markers(connection: Connection, run_id: str) -> Mapping[str, int]:
    columns = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {column} AS marker FROM crm.{table} WHERE starts_with({column}, %(prefix)s)").format(
            column=sql.Identifier(column), table=sql.Identifier(table)
        )
        for table, column in MARKER_COLUMNS
    )
    query = sql.SQL("SELECT marker, count(*) FROM ({}) AS marked GROUP BY marker").format(columns)
    return _counts(connection, query, run_id)


def _transactions(connection: Connection, run_id: str) -> Mapping[str, int]:
    return _counts(connection, sql.SQL(TRANSACTIONS), run_id)


def _executions(connection: Connection, run_id: str) -> Mapping[str, int]:
    query = sql.SQL(
        "SELECT key, count(*) FROM crm.idempotency_key WHERE starts_with(key, %(prefix)s) GROUP BY key"
    )
    return _counts(connection, query, run_id)


def _counts(connection: Connection, query: sql.SQL | sql.Composed, run_id: str) -> Mapping[str, int]:
    connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT_MS)))
    return dict(connection.execute(query, {"prefix": f"{run_id}:"}).fetchall())

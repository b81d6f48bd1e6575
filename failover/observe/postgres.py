"""PostgreSQL's own word on its role, timeline and standbys: one round trip as role `monitor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from failover.model import POSTGRESQL_PORT, Access, DatabaseState, Node, Role, Standby

USER = "monitor"
# libpq takes whole seconds and waits at least two.
_CONNECT_TIMEOUT_S = 2

# A query's first clause: the row `here` says what the server is, and up to where it has flushed WAL.
HERE = """
WITH here AS (
    SELECT pg_is_in_recovery() AS standby,
           CASE WHEN pg_is_in_recovery()
                THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                ELSE pg_current_wal_flush_lsn() END AS flushed)
"""
# Of `here`. A standby without a receiver knows its timeline from its last restart point only.
TIMELINE = """
       CASE WHEN standby
            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_control_checkpoint()))
            ELSE ('x' || substr(pg_walfile_name(flushed), 1, 8))::bit(32)::int END
"""

_STATE = f"""
{HERE}
SELECT standby,
       {TIMELINE} AS timeline,
       (flushed - '0/0'::pg_lsn)::bigint AS flush_lsn,
       ((CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE flushed END) - '0/0'::pg_lsn)::bigint
           AS replay_lsn,
       -- Seconds behind mean nothing while all that was received is replayed.
       CASE WHEN NOT standby THEN NULL
            WHEN flushed = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8
           AS replay_lag_s,
       current_setting('synchronous_standby_names') AS synchronous_standby_names,
       (SELECT coalesce(json_agg(json_build_object(
                   'name', application_name, 'state', state, 'sync_state', sync_state,
                   'lag_bytes', (flushed - flush_lsn)::bigint,
                   'replay_lag_bytes', (flushed - replay_lsn)::bigint,
                   'replay_lag_s', extract(epoch FROM replay_lag)) ORDER BY application_name), '[]')
          FROM pg_stat_replication) AS standbys
  FROM here
"""  # noqa: S608 - of constants


def conninfo(node: Node, access: Access, application_name: str) -> str:
    """To the host's database `postgres` as role `monitor`, over TLS and by the host's name."""
    return make_conninfo(
        host=node.name,
        hostaddr=node.address,
        port=POSTGRESQL_PORT,
        dbname="postgres",
        user=USER,
        password=access.monitor_password,
        sslmode="verify-full",
        sslrootcert=str(access.ca_certificate),
        application_name=application_name,
    )


async def read_database(node: Node, access: Access) -> DatabaseState:
    """Ask one host, over TLS and by its name.

    Raises:
        psycopg.Error: no connection, or the server is not ready for queries.
    """
    connection = await psycopg.AsyncConnection.connect(
        conninfo(node, access, "twinsite-observe"),
        connect_timeout=_CONNECT_TIMEOUT_S,
        autocommit=True,
        row_factory=dict_row,
    )
    async with connection:
        return await state_of(connection)


async def state_of(connection: psycopg.AsyncConnection[dict[str, Any]]) -> DatabaseState:
    """The state behind an open connection.

    Raises:
        psycopg.Error: the query failed.
    """
    row = await (await connection.execute(_STATE)).fetchone()
    assert row is not None
    return database_from(row)


def database_from(row: Mapping[str, Any]) -> DatabaseState:
    """The typed reading of the query's one row."""
    return DatabaseState(
        role=Role.STANDBY if row["standby"] else Role.PRIMARY,
        timeline=row["timeline"],
        flush_lsn=row["flush_lsn"],
        replay_lsn=row["replay_lsn"],
        replay_lag_s=row["replay_lag_s"],
        synchronous_standby_names=row["synchronous_standby_names"],
        standbys=tuple(_standby(each) for each in row["standbys"]),
    )


def _standby(row: Mapping[str, Any]) -> Standby:
    return Standby(
        name=row["name"],
        state=row["state"],
        sync_state=row["sync_state"],
        lag_bytes=row["lag_bytes"],
        replay_lag_bytes=row["replay_lag_bytes"],
        replay_lag_s=row["replay_lag_s"],
    )

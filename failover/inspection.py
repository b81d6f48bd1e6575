"""Live figures for a switch, read just before from the hosts themselves: by SQL, and by ZooKeeper's words."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from failover.deadline import deadline
from failover.model import Layout, Unreachable, ZooKeeperState
from failover.observe.attempt import reason_of
from failover.observe.postgres import HERE, TIMELINE
from failover.observe.zookeeper import ask_servers

ANSWERS_WITHIN_S = 2.0
# What differs from host to host by its nature, or follows the role; a recovery's target does, too.
OF_THE_HOST = (
    "cluster_name",
    "hot_standby",
    "listen_addresses",
    "primary_conninfo",
    "primary_slot_name",
    "synchronous_standby_names",
    "synchronized_standby_slots",
    "transaction_read_only",
    "in_hot_standby",
)

_FIGURES = f"""
{HERE}
SELECT standby,
       current_setting('server_version') AS version,
       (flushed - '0/0'::pg_lsn)::bigint AS flush_lsn,
       {TIMELINE} AS timeline,
       CASE WHEN standby THEN (flushed - pg_last_wal_replay_lsn())::bigint ELSE 0 END AS replay_bytes,
       greatest(0, (flushed - (SELECT redo_lsn FROM pg_control_checkpoint()))::bigint) AS unflushed_bytes,
       extract(epoch FROM clock_timestamp() - (SELECT checkpoint_time FROM pg_control_checkpoint()))::float8
           AS checkpoint_age_s,
       coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
                  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::float8
           AS longest_transaction_s,
       (SELECT coalesce(json_object_agg(application_name, json_build_array(
                   state, (flushed - flush_lsn)::bigint, extract(epoch FROM flush_lag))), '{{}}')
          FROM pg_stat_replication) AS standbys,
       (SELECT json_object_agg(name, setting) FROM pg_settings
         WHERE source NOT IN ('default', 'override', 'session', 'client', 'user', 'database')
           AND NOT name = ANY(%s) AND NOT starts_with(name, 'recovery_target')) AS settings
  FROM here
"""  # noqa: S608 - of constants


@dataclass(frozen=True)
class Stream:
    """A standby as the primary sees it. `flush_s`: how long its last confirmed flush took, with the way."""

    state: str
    lag_bytes: int | None
    flush_s: float | None


@dataclass(frozen=True)
class Server:
    """One PostgreSQL server. Positions are bytes from 0/0.

    `replay_bytes`: received and not replayed. `unflushed_bytes`: WAL since the last checkpoint.
    """

    standby: bool
    version: str
    timeline: int | None
    flush_lsn: int
    replay_bytes: int
    unflushed_bytes: int
    checkpoint_age_s: float
    longest_transaction_s: float
    streams: Mapping[str, Stream]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Inspection:
    """Everything that was read for one switch; what could not be read says why."""

    servers: Mapping[str, Server | Unreachable]
    zookeepers: Mapping[str, ZooKeeperState | Unreachable]

    def server(self, host: str) -> Server | Unreachable:
        return self.servers.get(host, Unreachable("not asked"))


class Inspector(Protocol):
    """Reads live figures. Never raises for what a network can do."""

    def inspect(self, hosts: tuple[str, ...]) -> Inspection: ...

    def server(self, host: str) -> Server | Unreachable: ...


class HostInspector:
    """The real one. `conninfo`: to a host's database `postgres` as role `monitor`."""

    def __init__(self, layout: Layout, conninfo: Callable[[str], str], tls: ssl.SSLContext) -> None:
        self._layout, self._conninfo, self._tls = layout, conninfo, tls

    def inspect(self, hosts: tuple[str, ...]) -> Inspection:
        zookeepers = ask_servers(self._layout.zookeepers, self._tls, ANSWERS_WITHIN_S)
        return Inspection({host: self.server(host) for host in hosts}, zookeepers)

    def server(self, host: str) -> Server | Unreachable:
        try:
            with (
                psycopg.connect(
                    self._conninfo(host), autocommit=True, connect_timeout=2, row_factory=dict_row
                ) as connection,
                deadline(connection, ANSWERS_WITHIN_S),
            ):
                row = connection.execute(_FIGURES, (list(OF_THE_HOST),)).fetchone()
        except psycopg.Error as error:
            return Unreachable(reason_of(error))
        assert row is not None
        return server_from(row)


def server_from(row: Mapping[str, Any]) -> Server:
    """The typed reading of the query's one row."""
    plain = {key: value for key, value in row.items() if key != "standbys"}
    streams = {name: Stream(*figures) for name, figures in row["standbys"].items()}
    return Server(streams=streams, **plain)

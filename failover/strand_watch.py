"""Asks whether a standby that does not stream ever can: the agent in office, in a thread of its own.

Nobody is asked while all standbys stream.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import psycopg

from failover.deadline import deadline
from failover.model import TimelineSwitch
from failover.observe.attempt import reason_of
from failover.observe.postgres import HERE, TIMELINE
from failover.panel import Panel, Picture
from failover.stranded import Kept, Stranded, Waiting, judge
from failover.znodes import Unanswered

log = logging.getLogger(__name__)

# What is stranded stays so: soon enough, and two sessions each time, only while somebody does not stream.
ASKED_EVERY_S = 5.0
ANSWERS_WITHIN_S = 2.0
# Twice a second a stranded standby tries anew (wal_retrieve_retry_interval): it waits most of the time.
LOOKS, BETWEEN_S = 20, 0.02

# The startup process waits for the WAL receiver, or to try anew as neither pg_wal nor a sender had what comes
# next. It does neither while it replays, is paused, or waits for a reader. An archive might have it some day.
# Its timeline is the one up to which its data need WAL. Patroni's report tells that of the last checkpoint
# while nothing streams, and of what is asked for while the receiver tries (seen: 77, 78, 77).
_WAITING = """
SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint,
       (SELECT nullif(min_recovery_end_timeline, 0) FROM pg_control_recovery())
  FROM pg_stat_activity
 WHERE backend_type = 'startup' AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream')
   AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
   AND current_setting('restore_command') = ''
"""
_KEPT = f"""
{HERE}
SELECT {TIMELINE} AS timeline,
       (flushed - '0/0'::pg_lsn)::bigint AS lsn,
       (SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$') AS oldest_file,
       pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes
  FROM here WHERE NOT standby
"""  # noqa: S608 - of constants


class StrandWatch:
    """`of` never waits: it tells what the last round found, nothing out of office."""

    def __init__(
        self,
        conninfo: Callable[[str], str],
        *,
        in_office: Callable[[], bool],
        leader: Callable[[], str | None],
        history: Callable[[], Sequence[TimelineSwitch]],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`conninfo`: to a host's database `postgres` as role `monitor`. `leader`, `history`: Patroni's."""
        self._conninfo, self._in_office, self._sleep = conninfo, in_office, sleep
        self._leader, self._history = leader, history
        self._away: frozenset[str] = frozenset()
        self._found: Mapping[str, Stranded] = {}

    def of(self, picture: Picture) -> Mapping[str, Stranded]:
        """Standbys that are known to be stranded. Notes who is to be asked next: who does not stream.

        Who was found is asked until it is so no more: its receiver streams for a moment at each of its ten
        attempts a second, and views show that now and then (seen).
        """
        self._away = frozenset(_away(picture))
        return self._found

    def watch(self, stopping: threading.Event) -> None:
        """Until `stopping` is set. Who does not answer is another finding's matter."""
        while not stopping.wait(ASKED_EVERY_S):
            try:
                asked = self._away | self._found.keys() if self._in_office() else ()
                found = {host: self.look(host) for host in asked}
                self._found = {host: each for host, each in found.items() if each is not None}
            except Unanswered as error:
                log.info("nobody is asked for stranded standbys: %r", error)
            except Exception:
                log.exception("the watch over stranded standbys stumbled; it goes on with the next round")

    def look(self, host: str) -> Stranded | None:
        """As it is now. Raises kazoo's errors; a server that does not answer is no error."""
        leader = self._leader()
        if leader is None or leader == host:
            return None
        try:
            waiting = self._waiting(host)
            kept = self._kept(leader) if waiting else None
        except psycopg.Error as error:
            log.info("%s is not known to be stranded: %s", host, reason_of(error))
            return None
        return judge(leader, waiting, kept, self._history()) if waiting and kept else None

    def _waiting(self, host: str) -> Waiting | None:
        with psycopg.connect(self._conninfo(host), autocommit=True, connect_timeout=2) as connection:
            for _ in range(LOOKS):
                with deadline(connection, ANSWERS_WITHIN_S):
                    row = connection.execute(_WAITING).fetchone()
                if row is not None:
                    return Waiting(*row)
                self._sleep(BETWEEN_S)
        return None

    def _kept(self, host: str) -> Kept | None:
        with (
            psycopg.connect(self._conninfo(host), autocommit=True, connect_timeout=2) as connection,
            deadline(connection, ANSWERS_WITHIN_S),
        ):
            row = connection.execute(_KEPT).fetchone()
        return Kept(*row) if row else None


def _away(picture: Picture) -> Iterator[str]:
    """Standbys whose PostgreSQL runs and does not stream."""
    panel = Panel(picture)
    for node in picture.layout.databases:
        report = panel.report(node.name)
        if picture.leader in (None, node.name) or report is None or panel.maintained(node.name):
            continue
        if report.running and not report.primary and not report.streaming:
            yield node.name

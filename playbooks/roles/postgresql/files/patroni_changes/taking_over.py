"""What a member that takes over does between a free leader key and the promotion of its PostgreSQL.

Patroni takes the key, then writes to /sync that nobody else is sure to have every write, and then starts
pg_ctl: clients wait for two quorum writes of ZooKeeper's and for a process. The key and that word are one
transaction here, so whoever finds the key taken finds the word with it. PostgreSQL is told by a statement in
the session that is there, which does what pg_ctl does.
"""

import functools
import json
from contextlib import suppress
from typing import Any

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.exceptions import PatroniException
from patroni.ha import Ha
from patroni.psycopg import Error

from patroni_changes.hooks import in_place_of, refusals

Postgresql = postgresql.Postgresql


class Claim:
    """The leader key and /sync, for one loop that finds the key free."""

    def __init__(self, ha: Ha) -> None:
        self._ha, self._found = ha, ha.cluster.sync
        self._take, self._write = ha.dcs.attempt_to_acquire_leader, ha.dcs.set_sync_state_value
        # As in `Ha.process_sync_replication_prepromote`.
        self._word = self._json(ha.state_handler.name, None, 0)
        # Of /sync since this claim wrote it, until Patroni has learnt so.
        self._version: int | None = None

    def take(self) -> bool:
        """In the place of the DCS's `attempt_to_acquire_leader`; by Patroni's own where anything is amiss."""
        with suppress(KazooException, KazooTimeoutError):
            if self._found.version is not None and self._take_both(self._found.version):
                self._version = self._found.version + 1
                return True
        return self._take()

    def _take_both(self, sync_version: int) -> bool:
        dcs = self._ha.dcs
        transaction = dcs._client.transaction()  # noqa: SLF001  # it has no public one
        transaction.create(dcs.leader_path, self._ha.state_handler.name.encode(), ephemeral=True)
        transaction.set_data(dcs.sync_path, self._word.encode(), version=sync_version)
        return not refusals(transaction)

    def write(self, value: str, version: int | None = None) -> int | bool:
        """In the place of the DCS's `set_sync_state_value`: what stands there is not written again."""
        written, self._version = self._version, None
        if written is not None and (value, version) == (self._word, self._found.version):
            return written
        return self._write(value, version)

    def end(self) -> None:
        """Not promoted, as where the watchdog refuses: those who might be must stay so."""
        if self._version is not None:
            found = self._found
            self._write(self._json(found.leader, found.voters, found.quorum), self._version)

    def _json(self, *state: Any) -> str:
        return json.dumps(self._ha.dcs.sync_state(*state), separators=(",", ":"))


def take_the_key_and_say_so() -> None:
    """One write of ZooKeeper's for both, where no quorum of standbys decides what is committed."""
    process_unhealthy = Ha.process_unhealthy_cluster

    @functools.wraps(process_unhealthy)
    def processing(self: Ha) -> str:
        if not self.is_synchronous_mode() or self.is_quorum_commit_mode() or self.is_standby_cluster():
            return process_unhealthy(self)
        claim = Claim(self)
        claiming = in_place_of(
            self.dcs, attempt_to_acquire_leader=claim.take, set_sync_state_value=claim.write
        )
        try:
            with claiming:
                return process_unhealthy(self)
        finally:
            claim.end()

    Ha.process_unhealthy_cluster = processing


def promote_by_a_statement() -> None:
    """And by pg_ctl where the session does not answer."""
    run_pg_ctl = Postgresql.pg_ctl

    @functools.wraps(run_pg_ctl)
    def controlling(self: Postgresql, command: str, *options: str, **more: Any) -> bool:
        if command == "promote":
            with suppress(PatroniException, Error):
                if self.query("SELECT pg_catalog.pg_promote(false)", retry=False)[0][0]:
                    return True
        return run_pg_ctl(self, command, *options, **more)

    Postgresql.pg_ctl = controlling

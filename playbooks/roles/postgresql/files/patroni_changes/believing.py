"""What Patroni takes for true.

Whom it takes for a synchronous standby: whoever streams and says how far it has written. So does one that
had received more of the old primary than the new one, for the second or two until it is rewound, and its
word counts there as a confirmation of WAL that it does not have: as long as the new primary is behind it,
commits are acknowledged that only the primary holds, and afterwards none is until that standby is gone
(seen once as a second pause of 2 s after a loss; docs/decisions/0205-diverged-standbys.md). What was never
sent cannot have been confirmed. And so does one that streams the rest of the old timeline: named synchronous
then, it first finds the new one, and is sent a whole file of WAL again, while commits wait for it (seen as a
second pause of 0.6 to 1.8 s in ten of 31 failovers). Only who has flushed something of this timeline counts.

Whether its postmaster is there: an ended process stays in the table until init has reaped it, and Patroni
takes it for a running one until then. On busy cores that can be some tenths of a second, so that a loop that
was woken by the end found nothing, and the next came a second later (seen in 2 of 22 crashes).

When it believes that nobody is synchronous any more: a loop that was under way when the postmaster died may
still be answered, by a session that outlives it for a moment, that no standby streams. Patroni then emptied
/sync, so that nobody could be promoted, and clients waited 14 s for the crashed server to recover (seen once
in 45 crashes). A server that has ended is not asked whom it replicates to; the next loop sees its end.

Whom it takes for the leader while nobody has the leader key: in failsafe mode a primary that cannot reach
ZooKeeper tells its members, who then take it for the leader for `ttl` seconds (20), whatever ZooKeeper says.
It never tells them that the outage is over. Where ZooKeeper had elected a new leader of its own, a second's
matter, no standby took over from a primary that crashed within those 20 s: twelve of twenty-three crashes
11 s after it (docs/decisions/0208-failsafe-outlasts.md). The primary says so now.
"""

import functools
import inspect
from typing import Any

from patroni import postgresql, thread_pool  # before patroni.ha, which cannot be the first to import it
from patroni.dcs import RemoteMember
from patroni.ha import Ha

from patroni_changes.waking import has_ended

Postgresql, PostmasterProcess = postgresql.Postgresql, postgresql.PostmasterProcess
# Of Patroni's own query (postgresql/__init__.py, `cluster_info_query`).
STREAMS, WAS_SENT_IT = "w.state = 'streaming'", "w.flush_lsn <= w.sent_lsn"
FLUSHED_BEYOND = "w.flush_lsn > '0/0'::pg_catalog.pg_lsn + {}"
# In the body of POST /failsafe; a Patroni without this change takes the word for another outage.
OVER = "over"


def take_the_dead_for_dead() -> None:
    """Have Patroni ask the kernel whether its postmaster has ended."""
    is_running = Postgresql.is_running

    @functools.wraps(is_running)
    def running(self: Postgresql) -> PostmasterProcess | None:
        found = is_running(self)
        return None if found is None or has_ended(found.pid, within_s=0) else found

    Postgresql.is_running = running


def keep_synchronous_ones_of_the_dead() -> None:
    """Leave /sync as it is while the postmaster has ended."""
    process_sync = Ha.process_sync_replication

    @functools.wraps(process_sync)
    def processing(self: Ha) -> None:
        if self.state_handler.is_running() is not None:
            process_sync(self)

    Ha.process_sync_replication = processing


def believe_only_what_was_sent() -> None:
    """Leave out, of what Patroni chooses synchronous standbys from, those that are not on its timeline.

    Raises RuntimeError when this is a Patroni that asks otherwise.
    """
    ask = Postgresql.cluster_info_query.fget
    if STREAMS not in inspect.getsource(ask):
        raise RuntimeError("this Patroni chooses synchronous standbys by another query: see patroni_changes")

    @functools.wraps(ask)
    def asking(self: Postgresql) -> str:
        conditions = [STREAMS, WAS_SENT_IT]
        if (began := getattr(self, "timeline_began", None)) is not None:
            conditions.append(FLUSHED_BEYOND.format(began))
        return ask(self).replace(STREAMS, " AND ".join(conditions))

    Postgresql.cluster_info_query = property(asking)


def end_failsafe_with_the_outage() -> None:
    """Have a primary that is at ZooKeeper again tell its members so, and have them forget the outage.

    A word that comes late, after the next outage began, is put right by that outage's next loop, long before
    the leader key can expire: Patroni repeats POST /failsafe once a loop.
    """
    run_cycle, update = Ha._run_cycle, Ha.update_failsafe  # noqa: SLF001

    @functools.wraps(run_cycle)
    def running(self: Ha) -> str:
        if self.is_leader() and self.failsafe_is_active():
            self.outage_untold = True
        message = run_cycle(self)
        if getattr(self, "outage_untold", False) and has_the_key_again(self):
            self.outage_untold = False
            tell_that_the_outage_is_over(self)
        return message

    @functools.wraps(update)
    def updating(self: Ha, told: dict[str, Any]) -> int | str | None:
        refused_or_lsn = update(self, told)
        if told.get(OVER) and not isinstance(refused_or_lsn, str):
            self._failsafe.set_is_active(0)
        return refused_or_lsn

    Ha._run_cycle, Ha.update_failsafe = running, updating  # noqa: SLF001


def has_the_key_again(ha: Ha) -> bool:
    """In ZooKeeper, not in the picture that Patroni completes by itself: that leader has no session."""
    leader = ha.cluster.leader
    return ha.is_leader() and not ha.failsafe_is_active() and ha.has_lock(info=False) and bool(leader.session)


def tell_that_the_outage_is_over(ha: Ha) -> None:
    """Waits for nobody: a member that is not reached believes for `ttl` seconds, as without the word."""
    me, server = ha.state_handler.name, ha.state_handler
    word = {"name": me, "conn_url": server.connection_string, "api_url": ha.patroni.api.connection_string}
    for name, url in (ha.dcs.failsafe or {}).items():
        if name != me:
            member = RemoteMember(name, {"api_url": url})
            thread_pool.get_executor().submit(ha.call_failsafe_member, {**word, OVER: True}, member)

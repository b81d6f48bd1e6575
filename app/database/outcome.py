"""What the end of a transaction means. Pure: what was seen goes in, one verdict comes out, the same for all.

The rule that all the rest follows from: once COMMIT may have reached the server, only an answer of a
living session can say what became of it. A session that ended, or a warning about the wait for the
synchronous standbys, leaves the outcome unknown (measured, facts.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import psycopg

# SQLSTATEs raised by crm.open_write (migrations/0001_foundation.sql).
KEY_IN_PROGRESS = "CR001"
KEY_ANSWERED = "CR002"
DEPOSED = "CR003"  # by crm.hold_term (0061_worker.sql); the worker explains it

READ_ONLY = "25006"  # a standby, or a primary made read-only

# "canceling wait for synchronous replication …" comes as a warning 01000 when the wait was cancelled and
# as 57P01 when the session is being ended. The text is translated by lc_messages; the SQLSTATE is not.
DOUBTFUL_WARNINGS = frozenset({"01000", "57P01"})


class Verdict(Enum):
    """How a unit of work that raised an error ended."""

    UNKNOWN = auto()
    NO_PRIMARY = auto()
    BUSY = auto()
    KEY_IN_PROGRESS = auto()
    KEY_ANSWERED = auto()
    REFUSED = auto()  # the statement itself: constraint, data, privilege; the slice or a 500 explains it


_BY_STATE = {
    KEY_IN_PROGRESS: Verdict.KEY_IN_PROGRESS,
    KEY_ANSWERED: Verdict.KEY_ANSWERED,
    READ_ONLY: Verdict.NO_PRIMARY,
    "57P01": Verdict.NO_PRIMARY,  # shutting down
    "57P02": Verdict.NO_PRIMARY,  # another backend crashed
    "57P03": Verdict.NO_PRIMARY,  # starting up
    "55P03": Verdict.BUSY,  # lock timeout
    "57014": Verdict.BUSY,  # statement timeout
    "40001": Verdict.BUSY,  # serialization; on a standby, a conflict with recovery
    "40P01": Verdict.BUSY,  # deadlock
}
_BY_CLASS = {
    "08": Verdict.NO_PRIMARY,  # connection
    "53": Verdict.BUSY,  # insufficient resources
}


# Without an SQLSTATE these speak of the session, not of the statement: the wire broke, a connection is
# closed, or the answers do not fit what was asked. So shows an end that was told twice, by the server and by
# the pooler: "received 2 results from command 'COMMIT'" (seen).
_OF_THE_SESSION = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)
_ENDING = frozenset({"FATAL", "PANIC"})


@dataclass(frozen=True, slots=True)
class Failure:
    """What was seen of a failed unit. `sqlstate` is None when the connection just broke."""

    sqlstate: str | None
    commit_sent: bool
    session_alive: bool

    @classmethod
    def of(cls, error: Exception, *, commit_sent: bool, session_alive: bool = True) -> Failure:
        """`session_alive`: as far as the wire knows; the error may know better."""
        if not isinstance(error, psycopg.Error):
            return cls(None, commit_sent, session_alive)
        over = error.sqlstate is None and isinstance(error, _OF_THE_SESSION)
        over = over or error.diag.severity_nonlocalized in _ENDING
        return cls(error.sqlstate, commit_sent, session_alive and not over)


def judge(failure: Failure) -> Verdict:
    """All but UNKNOWN are certain: the transaction was not committed."""
    if failure.commit_sent and not failure.session_alive:
        return Verdict.UNKNOWN
    if not failure.session_alive:
        return Verdict.NO_PRIMARY
    state = failure.sqlstate or ""  # none: refused by the driver, before anything was sent
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Verdict.REFUSED)


_PASSING = frozenset({Verdict.UNKNOWN, Verdict.NO_PRIMARY, Verdict.BUSY})


def passes(error: Exception, *, session_alive: bool = True) -> bool:
    """Whether to try again soon, for those who may repeat a transaction whatever became of it."""
    return judge(Failure.of(error, commit_sent=True, session_alive=session_alive)) in _PASSING


def casts_doubt(severity: str | None, sqlstate: str | None, *, commit_sent: bool) -> bool:
    """Whether a notice means that the commit was not confirmed by the synchronous standbys.

    Any such warning while COMMIT is under way counts: calling a sound commit unknown costs the client one
    repetition, the reverse costs a record.
    """
    return commit_sent and severity == "WARNING" and sqlstate in DOUBTFUL_WARNINGS

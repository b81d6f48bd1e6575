from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import DiagnosticField

from app.database.outcome import Failure, Verdict, casts_doubt, judge, passes
from app.database.units import CommitPermit, UnitAbandonedError

pytestmark = pytest.mark.safety


@pytest.mark.parametrize("sqlstate", [None, "57P01", "08006", "08P01", "23505", "25006", "CR002"])
def test_a_session_lost_after_commit_was_sent_is_unknown_whatever_it_said(sqlstate):
    assert judge(Failure(sqlstate, commit_sent=True, session_alive=False)) is Verdict.UNKNOWN


@pytest.mark.parametrize("commit_sent", [True, False])
@pytest.mark.parametrize(
    ("sqlstate", "verdict"),
    [
        ("CR001", Verdict.KEY_IN_PROGRESS),
        ("CR002", Verdict.KEY_ANSWERED),
        ("25006", Verdict.NO_PRIMARY),
        ("57P03", Verdict.NO_PRIMARY),
        ("55P03", Verdict.BUSY),
        ("57014", Verdict.BUSY),
        ("40P01", Verdict.BUSY),
        ("53300", Verdict.BUSY),
        ("23505", Verdict.REFUSED),
        ("22P02", Verdict.REFUSED),
        (None, Verdict.REFUSED),
    ],
)
def test_what_a_living_session_says_is_certain(sqlstate, verdict, commit_sent):
    assert judge(Failure(sqlstate, commit_sent=commit_sent, session_alive=True)) is verdict


@pytest.mark.parametrize("sqlstate", [None, "57P01", "25P03"])
def test_a_session_lost_before_commit_was_sent_did_nothing(sqlstate):
    assert judge(Failure(sqlstate, commit_sent=False, session_alive=False)) is Verdict.NO_PRIMARY


@pytest.mark.parametrize(
    ("severity", "sqlstate", "commit_sent", "doubt"),
    [
        ("WARNING", "01000", True, True),
        ("WARNING", "57P01", True, True),
        ("WARNING", "01000", False, False),
        ("NOTICE", "00000", True, False),
        ("WARNING", "25P01", True, False),
    ],
)
def test_only_a_warning_about_the_wait_casts_doubt(severity, sqlstate, commit_sent, doubt):
    assert casts_doubt(severity, sqlstate, commit_sent=commit_sent) is doubt


def test_a_withdrawn_permit_cannot_be_taken():
    permit = CommitPermit()
    assert permit.withdraw()
    with pytest.raises(UnitAbandonedError):
        permit.take()


def test_a_taken_permit_cannot_be_withdrawn():
    permit = CommitPermit()
    permit.take()
    assert not permit.withdraw()
    permit.take()


class _Told:
    """What libpq keeps of an ErrorResponse, as far as `Failure` looks."""

    def __init__(self, severity, sqlstate):
        self._fields = {
            DiagnosticField.SEVERITY_NONLOCALIZED: severity,
            DiagnosticField.SQLSTATE: sqlstate,
        }

    def error_field(self, field):
        return self._fields.get(field)


def told(kind, severity, sqlstate):
    error = kind("as PostgreSQL worded it", info=_Told(severity.encode(), sqlstate.encode()))
    error.sqlstate = sqlstate
    return error


OVER = [
    psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"),
    psycopg.OperationalError("the connection is closed"),
    psycopg.InternalError("received 2 results from command 'COMMIT'"),
    psycopg.InternalError("got no result from the query"),
    psycopg.InterfaceError("unexpected result PIPELINE_ABORTED from command 'COMMIT'"),
    told(psycopg.errors.AdminShutdown, "FATAL", "57P01"),
    told(psycopg.errors.ProtocolViolation, "FATAL", "08P01"),
    told(psycopg.errors.IdleInTransactionSessionTimeout, "FATAL", "25P03"),
    told(psycopg.errors.InternalError_, "PANIC", "XX000"),
]


@pytest.mark.parametrize("error", OVER, ids=str)
def test_an_error_that_ends_its_session_is_known_before_the_wire_says_so(error):
    assert judge(Failure.of(error, commit_sent=True)) is Verdict.UNKNOWN
    assert judge(Failure.of(error, commit_sent=False)) is Verdict.NO_PRIMARY
    assert passes(error)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (told(psycopg.errors.ReadOnlySqlTransaction, "ERROR", "25006"), Verdict.NO_PRIMARY),
        (told(psycopg.errors.LockNotAvailable, "ERROR", "55P03"), Verdict.BUSY),
        (told(psycopg.errors.UniqueViolation, "ERROR", "23505"), Verdict.REFUSED),
        (told(psycopg.errors.InternalError_, "ERROR", "XX000"), Verdict.REFUSED),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), Verdict.REFUSED),
        (psycopg.ProgrammingError("cannot adapt type"), Verdict.REFUSED),
        (ValueError("of our own"), Verdict.REFUSED),
    ],
    ids=str,
)
@pytest.mark.parametrize("commit_sent", [True, False])
def test_an_error_of_a_statement_leaves_its_session(error, verdict, commit_sent):
    assert judge(Failure.of(error, commit_sent=commit_sent)) is verdict
    assert passes(error) is (verdict is not Verdict.REFUSED)


@pytest.mark.parametrize("error", [ValueError("too many values to unpack"), psycopg.DataError("never sent")])
def test_whatever_is_raised_when_a_session_is_gone_its_transaction_may_be_repeated(error):
    assert passes(error, session_alive=False)

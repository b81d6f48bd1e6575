from __future__ import annotations

import pytest

from app.database.outcome import Failure, Verdict, casts_doubt, judge
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

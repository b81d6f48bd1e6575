"""What an answer means, and how long a client waits."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.policy import Answer, Meaning, Patience, may_have_happened, meaning

pytestmark = pytest.mark.safety


def answer(status, code=None, **headers):
    return Answer(status, headers, {"code": code} if code else {})


@pytest.mark.parametrize(
    ("found", "expected", "possible"),
    [
        (answer(201), Meaning.DONE, False),
        (answer(200), Meaning.DONE, False),
        (answer(None), Meaning.TRY_AGAIN, True),
        (answer(503, "outcome-unknown"), Meaning.TRY_AGAIN, True),
        (answer(503, "no-primary"), Meaning.TRY_AGAIN, False),
        (answer(503, "overloaded"), Meaning.TRY_AGAIN, False),
        (answer(503), Meaning.TRY_AGAIN, True),
        (answer(502), Meaning.TRY_AGAIN, True),
        (answer(500, "internal"), Meaning.TRY_AGAIN, True),
        (answer(409, "idempotency-key-in-progress"), Meaning.TRY_AGAIN, True),
        (answer(409, "wrong-state"), Meaning.REFUSED, False),
        (answer(429), Meaning.TRY_AGAIN, True),
        (answer(422, "validation"), Meaning.REFUSED, False),
        (answer(404, "not-found"), Meaning.REFUSED, False),
        (answer(307), Meaning.REFUSED, False),
    ],
)
def test_what_an_answer_means(found, expected, possible):
    assert meaning(found) is expected
    assert may_have_happened(found) is possible


def test_retry_after_is_read_in_seconds_only():
    assert Answer(503, {"retry-after": "2"}, {}).retry_after_s == 2
    assert Answer(503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}).retry_after_s is None
    assert Answer(503, {}, {}).retry_after_s is None


@given(rounds=st.integers(1, 60), asked=st.one_of(st.none(), st.integers(0, 30)), seed=st.integers())
def test_a_pause_is_bounded_and_never_shorter_than_asked(rounds, asked, seed):
    patience = Patience()
    pause = patience.pause(rounds, asked, random.Random(seed))  # noqa: S311
    least = patience.backoff_s / 2 if asked is None else asked
    assert least <= pause <= (asked or 0) + patience.backoff_max_s

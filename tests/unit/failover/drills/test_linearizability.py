"""One request's transitions: legal orders are found, contradictions are not explained away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failover.drills.linearizability import is_linearizable, unlinearizable_entities
from failover.drills.model import Operation, Outcome

pytestmark = pytest.mark.safety


def step(function, start, end, outcome=Outcome.OK, *, state=None, status=200, stale=False, entity="q1"):
    marker = None if function == "get_request" else f"r1:operator-1:{start}"
    return Operation(
        proc="operator-1", function=function, key=f"{function}{start}", marker=marker, entity=entity,
        invoked_ns=start, ended_ns=end, outcome=outcome, attempts=(), state=state, status=status, stale=stale,
    )  # fmt: skip


REGISTER, TAKE, CLOSE = step("request", 0, 1), step("take", 2, 3), step("close", 4, 5)


def test_the_ordinary_life():
    assert is_linearizable([REGISTER, TAKE, CLOSE, step("get_request", 6, 7, state="closed")])


def test_a_transition_that_vanished_is_seen_by_a_later_read():
    assert not is_linearizable([REGISTER, TAKE, step("get_request", 4, 5, state="new")])


def test_a_request_taken_twice():
    assert not is_linearizable([REGISTER, TAKE, step("take", 4, 5)])


def test_overlapping_operations_may_have_either_order():
    assert is_linearizable([REGISTER, step("take", 2, 9), step("get_request", 3, 4, state="new")])
    assert is_linearizable([REGISTER, step("take", 2, 9), step("get_request", 3, 4, state="in_progress")])


def test_an_unknown_transition_may_have_happened_or_not():
    unknown = step("take", 2, 3, Outcome.INFO)
    assert is_linearizable([REGISTER, unknown, step("get_request", 6, 7, state="new")])
    assert is_linearizable([REGISTER, unknown, step("get_request", 6, 7, state="in_progress")])
    assert is_linearizable([REGISTER, unknown, CLOSE])


def test_an_unknown_transition_cannot_unhappen():
    history = [
        REGISTER,
        step("take", 2, 3, Outcome.INFO),
        step("get_request", 6, 7, state="in_progress"),
        step("get_request", 8, 9, state="new"),
    ]
    assert not is_linearizable(history)


def test_a_refusal_must_have_a_reason():
    refused = step("take", 4, 5, Outcome.FAIL, status=409)
    assert is_linearizable([REGISTER, TAKE, refused])
    assert not is_linearizable([REGISTER, refused])


def test_what_says_nothing_of_the_state_is_left_out():
    history = [
        REGISTER,
        step("take", 2, 3, Outcome.FAIL, status=422),
        step("get_request", 4, 5, state="closed", stale=True),
        step("get_request", 6, 7, Outcome.INFO),
    ]
    assert list(unlinearizable_entities(history)) == []


def test_requests_are_judged_apart():
    wrong = [step("request", 0, 1, entity="q2"), step("close", 2, 3, entity="q2")]
    found = list(unlinearizable_entities([REGISTER, TAKE, CLOSE, *wrong]))
    assert [entity for entity, _ in found] == ["q2"]


LIFE = (("request", "new"), ("take", "in_progress"), ("close", "closed"))


@st.composite
def lives(draw):
    """A request's operations as some order of real effects would answer them, with reads in between."""
    clock, history, state = 0, [], "absent"
    for function, after in LIFE[: draw(st.integers(1, 3))]:
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.INFO]))
        begin = clock + 1
        effect = begin + draw(st.integers(0, 3))
        clock = effect + draw(st.integers(1, 3))
        history.append(step(function, begin, clock, outcome))
        state = after
        for _ in range(draw(st.integers(0, 2))):
            history.append(step("get_request", clock + 1, clock + 3, state=state))
            clock += draw(st.integers(2, 4))
    return history, state


@given(lives())
@settings(max_examples=200)
def test_what_really_happened_is_always_explained(life):
    assert is_linearizable(life[0])


@given(lives(), st.sampled_from(["new", "in_progress", "closed"]))
@settings(max_examples=200)
def test_a_wrong_last_state_is_never_explained(life, wrong):
    history, state = life
    if wrong == state or any(operation.outcome is Outcome.INFO for operation in history):
        return
    end = max(operation.ended_ns for operation in history)
    assert not is_linearizable([*history, step("get_request", end + 1, end + 2, state=wrong)])


@pytest.mark.parametrize("count", [12])
def test_many_open_operations_stay_cheap(count):
    history = [REGISTER, *(step("take", 2, 3, Outcome.INFO) for _ in range(count)), TAKE]
    assert is_linearizable(history)

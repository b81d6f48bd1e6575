from __future__ import annotations

import pytest

from app.errors import Problem, ProblemError
from app.signin import limits
from app.signin.limits import Limiter, Limits, Rate, network


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_burst_then_the_rate():
    clock = Clock()
    limiter = Limiter(Rate(0.5, 3), clock)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert limiter.take("b") == 0, "others have their own"
    clock.now += 2
    assert [limiter.take("a") for _ in range(2)] == [0, 2]


def test_waiting_takes_nothing():
    limiter = Limiter(Rate(1, 1), Clock())
    assert [limiter.wait("a") for _ in range(3)] == [0, 0, 0]


def test_no_rate_is_no_limit():
    limiter = Limiter(Rate(0, 1), Clock())
    assert {limiter.take("a") for _ in range(10)} == {0}


def test_memory_is_bounded_and_who_is_limited_is_remembered(monkeypatch):
    monkeypatch.setattr(limits, "REMEMBERED", 3)
    limiter = Limiter(Rate(0.01, 1), Clock())
    for key in "abc":
        limiter.take(key)
    assert limiter.take("c") > 0
    limiter.take("d")
    assert limiter.take("b") > 0
    assert len(limiter._buckets) == 3


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("10.77.9.10", "10.77.9.10"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("testclient", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_counts_as_one_customer(address, counts_as):
    assert network(address) == counts_as


def test_a_refusal_says_when_to_come_back():
    clock = Clock()
    found = Limits(*(Limiter(Rate(0.1, 1), clock) for _ in range(3)))
    found.admit("petrova", is_service=False)
    with pytest.raises(ProblemError) as refused:
        found.admit("petrova", is_service=False)
    assert (refused.value.problem, refused.value.retry_after) == (Problem.TOO_MANY_REQUESTS, 10)
    found.hear("10.0.0.1")
    found.failed("10.0.0.1")
    with pytest.raises(ProblemError) as locked:
        found.hear("10.0.0.1")
    assert (locked.value.problem, locked.value.retry_after) == (Problem.TOO_MANY_ATTEMPTS, 10)

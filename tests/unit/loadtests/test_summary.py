"""Counting, percentiles, and the judgement of a run without faults."""

from dataclasses import replace

import pytest

from loadtests.client import GAVE_UP
from loadtests.ledger import Attempt, Operation
from loadtests.policy import Answer
from loadtests.profiles import PROFILES, Kind
from loadtests.summary import (
    Counts,
    Latency,
    Rates,
    Summary,
    Totals,
    Work,
    judge,
    latency,
    percentile,
    steady_rate,
)

SMOKE = PROFILES["smoke"]
RATE = SMOKE.groups[Kind.FEED].rate
GOOD = Totals(ok=100, failed=0, unknown=0, gave_up=0, attempts=100, attempts_failed=0)
QUICK = Latency(100, 5, 9, 20, 30)


def test_percentiles_are_by_nearest_rank():
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7], 99) == 7
    assert latency([]) == Latency(0, 0.0, 0.0, 0.0, 0.0)


def test_it_counts_what_the_ledger_tells():
    summary = Summary()
    operation = Operation("feed-1", "card_transaction", "k", "k", None)
    attempt = Attempt(1, "dc2", 5, Answer(201, {}, {}))
    summary.attempt(operation, attempt, succeeded=False)
    summary.attempt(operation, attempt, succeeded=True)
    summary.ended(operation, "ok", 3_000_000, None)
    summary.ended(operation, "info", 9, GAVE_UP)
    assert summary.totals() == Totals(ok=1, failed=0, unknown=1, gave_up=1, attempts=2, attempts_failed=1)
    assert summary.counts() == Counts(1, {"card_transaction": 1}, {"feed": 1})
    assert summary.route == "dc2"


def test_rates_are_of_the_time_between_two_counts_and_a_batch_sends_what_is_in_it():
    summary = Summary()
    batch = Operation("processing-1", "card_batch", "k", "k", None, size=50)
    summary.ended(batch, "ok", 9_000_000, None)
    since = summary.counts()
    for _ in range(4):
        summary.ended(batch, "ok", 7_000_000, None)
    summary.ended(Operation("desk-1", "take", "k2", "k2", None), "ok", 5_000_000, None)
    rates = Rates.between(since, summary.counts(), 2.0)
    assert rates == Rates(2.5, {"card_batch": 2.0, "take": 0.5}, {"processing": 100.0, "desk": 0.5})
    assert (rates.sent_by(Kind.PROCESSING), rates.sent_by(Kind.FEED)) == (100.0, 0.0)
    work = summary.by_function(rates)
    assert work["card_batch"] == Work(2.0, Latency(5, 7.0, 9.0, 9.0, 9.0))
    assert work["take"].rate == 0.5


def test_too_short_a_time_has_no_rates():
    counts = Counts(5, {"take": 5}, {"desk": 5})
    rates = Rates.between(Counts(0, {}, {}), counts, 0.5)
    assert rates == Rates(None, {"take": None}, {"desk": None})
    assert rates.sent_by(Kind.FEED) is None


def test_the_feed_is_judged_by_its_card_transactions():
    profile = PROFILES["feed"]
    assert judge(profile, GOOD, QUICK, 1_000.0).passed
    (reason,) = judge(profile, GOOD, QUICK, 999.0).reasons
    assert reason == "999.0 card transactions in batches a second, at least 1000.0 are due"


def test_a_good_run_passes():
    assert judge(SMOKE, GOOD, QUICK, RATE).passed


@pytest.mark.parametrize(
    ("totals", "found", "rate", "said"),
    [
        (GOOD, replace(QUICK, p95=9e9), RATE, "p95"),
        (GOOD, replace(QUICK, p99=9e9), RATE, "p99"),
        (replace(GOOD, attempts_failed=1), QUICK, RATE, "attempts failed"),
        (replace(GOOD, gave_up=1), QUICK, RATE, "given up"),
        (replace(GOOD, failed=1), QUICK, RATE, "refused"),
        (GOOD, QUICK, RATE / 2, "card transactions a second"),
        (GOOD, QUICK, None, "no rate to judge"),
        (replace(GOOD, attempts=0), QUICK, RATE, "attempts failed"),
    ],
)
def test_each_missed_threshold_is_a_reason(totals, found, rate, said):
    judgement = judge(SMOKE, totals, found, rate)
    assert not judgement.passed
    assert len(judgement.reasons) == 1
    assert said in judgement.reasons[0]


def test_a_rate_is_of_the_time_after_the_ramp_and_unknown_without_it():
    assert steady_rate(30, 2.0) == 15.0
    assert steady_rate(30, 0.0) is None
    assert steady_rate(30, -4.0) is None

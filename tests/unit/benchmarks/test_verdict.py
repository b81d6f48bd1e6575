from __future__ import annotations

from math import log, sqrt

import pytest

from benchmarks.costs import Cost
from benchmarks.growth import judged
from benchmarks.verdict import Growth, growth

SIZES = (10_000, 1_000_000, 10_000_000)


def _costs(of):
    return {size: of(size) for size in SIZES}


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (lambda _: 50.0, Growth.FLAT),
        (lambda size: 50.0 if size == SIZES[0] else 62.0, Growth.FLAT),  # within the slack
        (lambda size: 10 * log(size), Growth.LOGARITHMIC),
        (lambda size: 500 - size / 10**5, Growth.FLAT),  # cheaper
        (lambda size: size / 1000, Growth.WORSE),
        (lambda size: 100 + sqrt(size), Growth.WORSE),
        # Linear, but at a million it costs a tenth of what never changes.
        (lambda size: 100 + size / 10**5, Growth.WORSE),
    ],
)
def test_growth_is_judged_by_every_two_sizes(of, verdict):
    assert growth(_costs(of), slack=0.25) is verdict


def test_one_size_says_nothing():
    with pytest.raises(ValueError, match="two sizes"):
        growth({10_000: 5.0}, slack=0.25)


def _runs(blocks=50.0, process=500.0, session=200.0):
    return [Cost([1.0], process, session, blocks), Cost([1.0], process * 3, session * 3, blocks)]


def test_an_operation_is_as_bad_as_its_worst_cost():
    small = _runs()
    assert judged({10_000: small, 10_000_000: _runs()}) is Growth.FLAT
    assert judged({10_000: small, 10_000_000: _runs(blocks=80.0)}) is Growth.LOGARITHMIC
    assert judged({10_000: small, 10_000_000: _runs(session=1_000.0)}) is Growth.WORSE
    assert judged({10_000: small, 10_000_000: _runs(process=5_000.0)}) is Growth.WORSE


def test_a_run_that_noise_made_dear_does_not_count():
    noisy = [*_runs(), Cost([1.0], 50_000.0, 20_000.0, 50.0)]
    assert judged({10_000: _runs(), 10_000_000: noisy}) is Growth.FLAT

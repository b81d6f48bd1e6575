from __future__ import annotations

import pytest

from app.pauses import growing


@pytest.mark.parametrize(("failures", "due"), [(1, 0.2), (2, 0.4), (4, 1.6), (5, 2.0), (10_000, 2.0)])
def test_pauses_double_up_to_the_longest_and_differ(failures, due):
    drawn = {growing(failures) for _ in range(200)}
    assert all(due / 2 <= each <= due for each in drawn)
    assert len(drawn) > 100
    assert max(drawn) - min(drawn) > due / 4

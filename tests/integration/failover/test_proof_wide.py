"""The same exploration with wider bounds: too long for the unit tests, still without any I/O."""

import pytest

from failover.proof.explore import explore
from failover.proof.orchestrated import Rules

pytestmark = pytest.mark.safety


# 20 s on an idle machine; a busy one must not make it fail.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("writes", "faults"), [(1, 2), (2, 1)])
def test_two_faults_or_two_writes_in_any_order_lose_nothing(writes: int, faults: int) -> None:
    result = explore(Rules(), writes=writes, faults=faults)

    assert result.violation is None, result.trace
    assert result.states > 10_000

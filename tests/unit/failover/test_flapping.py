"""An operator's word survives its way through ZooKeeper, and what is none is told."""

import pytest

from failover.flapping import Acknowledgement, Failovers


def test_an_acknowledgement_is_read_as_it_was_written() -> None:
    word = Acknowledgement(12.5, "anna@ops", "cable replaced")

    assert Acknowledgement.from_bytes(word.to_bytes()) == word


@pytest.mark.parametrize("data", [b"{}", b"[]", b"no JSON"])
def test_what_is_no_acknowledgement_is_told(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words differ
        Acknowledgement.from_bytes(data)


def test_only_failovers_after_an_instant_count() -> None:
    failovers = Failovers((1.0, 2.0, 3.0))

    assert failovers.since(2.0) == Failovers((3.0,))
    assert failovers.last_s(5.0) == 2.0
    assert Failovers().last_s(5.0) is None

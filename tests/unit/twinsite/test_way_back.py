"""A lost host is let run first; what only it has is saved before it is rebuilt, and not before it is on."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from failover.following import Clock
from failover.journal import Entry, Outcome
from failover.plan import Operation
from failover.procedures import failback
from twinsite.outcome import CannotError
from twinsite.way_back import BOOTS_WITHIN_S, Reach, Standing, bring_back

pytestmark = pytest.mark.safety

HOST = "dc1-db1"


@dataclass
class Estate:
    """One lost host. `boots_s`: when it answers, given power; None: never. `rewinds`: without a rebuild."""

    boots_s: float | None = 0.0
    rewinds: bool = False
    streams_at: float = float("inf")
    saves: bool = True
    on: bool = False
    streams: bool = False
    now: float = 0.0
    said: list[str] = field(default_factory=list)
    course: list[str] = field(default_factory=list)
    salvaged: str = ""

    def reach(self) -> Reach:
        return Reach(
            standing=lambda _: Standing("dc2-db1", self.streams or self.now >= self.streams_at),
            order=self.order,
            reached=self.reached,
            save=self.save,
            clock=Clock(lambda: self.now, self.sleep),
            say=self.said.append,
        )

    def reached(self, host: str) -> bool:
        assert host == HOST
        return self.on and self.boots_s is not None and self.now >= self.boots_s

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def order(self, task: Operation, about: dict[str, object]) -> Entry:
        assert about["host"] == HOST
        self.course.append(str(task))
        self.on = True
        if task is Operation.FAILBACK:
            self.salvaged = str(about["salvaged"])
        self.streams = self.rewinds or task is Operation.FAILBACK
        outcome = Outcome.DONE if self.streams else Outcome.INCOMPLETE
        return Entry("op-1", failback.plan(HOST), "anna", "test", (), outcome)

    def save(self, host: str, primary: str) -> str:
        assert (host, primary) == (HOST, "dc2-db1")
        self.course.append("save")
        if not self.reached(host):
            raise CannotError(f"{HOST}: ssh: no route to host")
        if not self.saves:
            raise CannotError(f"{HOST}: no space left on device")
        return "saved 3 transactions in /var/lib/postgresql/salvage/x"


def test_a_host_that_patroni_brings_back_is_neither_logged_in_to_nor_rebuilt() -> None:
    estate = Estate(rewinds=True)

    assert bring_back(HOST, estate.reach())
    assert estate.course == ["return"]


def test_a_fenced_host_is_given_power_before_it_is_saved_from_and_saved_from_before_it_is_rebuilt() -> None:
    estate = Estate(boots_s=90.0)

    assert bring_back(HOST, estate.reach())

    assert estate.course == ["return", "save", "failback"]
    assert estate.now >= 90.0
    assert estate.salvaged.startswith("saved 3 transactions")


def test_who_streams_after_a_long_boot_is_left_alone() -> None:
    estate = Estate(boots_s=None, streams_at=120.0)

    assert bring_back(HOST, estate.reach())
    assert estate.course == ["return"]


@pytest.mark.parametrize("estate", [Estate(boots_s=None), Estate(saves=False)])
def test_what_cannot_be_saved_is_not_destroyed_and_the_refusal_says_why_and_what_helps(estate) -> None:
    with pytest.raises(CannotError, match=r"ssh: no route|no space left") as refused:
        bring_back(HOST, estate.reach())

    assert "give it that, and order this again" in str(refused.value)
    assert "--without-saving" in str(refused.value)
    assert "failback" not in estate.course
    assert estate.now <= BOOTS_WITHIN_S + 10


def test_what_is_given_up_by_order_is_said_in_the_journal() -> None:
    estate = Estate(boots_s=None)

    assert bring_back(HOST, estate.reach(), give_up=True)

    assert estate.course == ["return", "save", "failback"]
    assert estate.salvaged.startswith("not saved, by order: ")


def test_who_streams_already_is_told_so_and_nothing_is_ordered() -> None:
    estate = Estate(streams=True)

    assert bring_back(HOST, estate.reach())
    assert estate.course == []
    assert estate.said == [f"{HOST} is primary or streams from dc2-db1"]

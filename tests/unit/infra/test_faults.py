from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.fault_book import FaultBook
from infra.faults import (
    Degradation,
    Direction,
    DiskFull,
    Fault,
    FaultError,
    Freeze,
    Isolation,
    LinkCut,
    Manner,
    PowerCut,
    ProcessKill,
    UnitStop,
    isolation_of,
)
from infra.partitions import rulesets
from infra.topology import Estate, LinkQuality, estate_from_listing

_SITES = ("a", "b", "c")


@pytest.fixture
def estate() -> Estate:
    hosts = {
        f"{site}-db": {
            "ansible_host": f"10.9.{n}.21",
            "site": site,
            "site_subnet": f"10.9.{n}.0/24",
            "site_entry_address": f"10.9.{n}.10",
            "lab_supernet": "10.9.0.0/16",
            "lab_management_subnet": "10.9.200.0/24",
            "lab_links": [
                {"ends": ["a", "b"], "subnet": "10.9.100.0/30"},
                {"ends": ["a", "c"], "subnet": "10.9.100.4/30"},
            ],
        }
        for n, site in enumerate(_SITES, start=1)
    }
    return estate_from_listing(
        Path("small"), {"_meta": {"hostvars": hosts}, "postgresql": {"hosts": list(hosts)}}
    )


ALL_KINDS: tuple[Fault, ...] = (
    PowerCut(("a-db", "b-db")),
    Freeze(("a-db",)),
    UnitStop("a-db", "patroni.service"),
    ProcessKill("a-db", "patroni.service", "STOP", "postgres"),
    LinkCut(("a", "b"), Direction.FORWARD, Manner.REJECT),
    Isolation("c-db", Direction.BACKWARD),
    Degradation(("a", "b"), LinkQuality(20, 1, 2, 100)),
    DiskFull("a-db"),
)


def test_what_is_broken_survives_the_one_who_broke_it(tmp_path: Path) -> None:
    FaultBook(tmp_path / "faults.json").add(ALL_KINDS)
    assert FaultBook(tmp_path / "faults.json").read() == ALL_KINDS


def test_a_fault_is_listed_once_and_only_the_healed_go(tmp_path: Path) -> None:
    book = FaultBook(tmp_path / "faults.json")
    book.add(ALL_KINDS[:2])
    book.add(ALL_KINDS[1:3])
    book.remove(ALL_KINDS[0])
    assert book.read() == ALL_KINDS[1:3]


def test_what_is_being_mended_is_no_longer_shown_but_not_forgotten(tmp_path: Path) -> None:
    book = FaultBook(tmp_path / "faults.json")
    book.add(ALL_KINDS[:2])
    book.begin_mending(ALL_KINDS[:1])
    assert book.standing() == ALL_KINDS[1:2]
    assert book.read() == ALL_KINDS[:2]
    book.add(ALL_KINDS[:1])
    assert set(book.standing()) == set(ALL_KINDS[:2])


def test_every_fault_says_what_it_does() -> None:
    assert len({fault.describe() for fault in ALL_KINDS}) == len(ALL_KINDS)


def _drops(ruleset: str) -> list[str]:
    return [line.strip() for line in ruleset.splitlines() if line.strip().endswith("drop")]


def test_no_fault_means_no_rule(estate: Estate) -> None:
    for ruleset in rulesets(estate, []).values():
        assert "reject" not in ruleset
        assert not _drops(ruleset)
        assert "policy drop" not in ruleset


def test_silence_both_ways_is_made_by_both_receivers(estate: Estate) -> None:
    made = rulesets(estate, [LinkCut(("a", "b"))])
    assert _drops(made["a"]) == ['iifname "l-b" drop']
    assert _drops(made["b"]) == ['iifname "l-a" drop']
    assert not _drops(made["c"])


@pytest.mark.parametrize(("direction", "receiver"), [(Direction.FORWARD, "b"), (Direction.BACKWARD, "a")])
def test_silence_one_way_is_made_by_the_receiver_alone(
    estate: Estate, direction: Direction, receiver: str
) -> None:
    made = rulesets(estate, [LinkCut(("a", "b"), direction)])
    assert [site for site, ruleset in made.items() if _drops(ruleset)] == [receiver]


@pytest.mark.parametrize(("direction", "sender"), [(Direction.FORWARD, "a"), (Direction.BACKWARD, "b")])
def test_rejection_one_way_is_made_by_the_sender_alone(
    estate: Estate, direction: Direction, sender: str
) -> None:
    made = rulesets(estate, [LinkCut(("a", "b"), direction, Manner.REJECT)])
    assert [site for site, ruleset in made.items() if "reject" in ruleset] == [sender]


def test_an_isolated_host_keeps_its_operator_and_a_frozen_one_nobody(estate: Estate) -> None:
    isolated = rulesets(estate, [Isolation("a-db")])["a"]
    frozen = rulesets(estate, [Freeze(("a-db",))])["a"]
    assert isolated.count("policy drop") == frozen.count("policy drop") == 2
    assert isolated.count("10.9.200.0/24 accept") == 2
    assert "accept" not in frozen.split("table netdev lab_ports {")[-1]


def test_a_host_without_power_is_as_silent_as_a_frozen_one(estate: Estate) -> None:
    off, frozen = (rulesets(estate, [fault(("a-db",))])["a"] for fault in (PowerCut, Freeze))
    assert off.split("table netdev lab_ports {")[-1] == frozen.split("table netdev lab_ports {")[-1]


def test_a_site_without_power_has_no_power_switch_either(estate: Estate) -> None:
    def answers(*faults: Fault) -> bool:
        return "tcp dport 7406 drop" not in rulesets(estate, faults)["a"]

    assert answers()
    assert answers(Freeze(("a-db",)), PowerCut(("b-db",)))
    assert not answers(PowerCut(("a-db",)))


def test_isolating_a_site_silences_all_of_its_links(estate: Estate) -> None:
    assert isolation_of(estate, "a") == (LinkCut(("a", "b")), LinkCut(("a", "c")))
    assert isolation_of(estate, "a-db") == (Isolation("a-db"),)


class Tank:
    """A volume that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def fill(self) -> None:
        self.done.append("fill")

    def empty(self) -> None:
        self.done.append("empty")


def test_a_full_disk_needs_a_volume_and_is_given_it_back() -> None:
    tank = Tank()
    there, nowhere = (
        SimpleNamespace(machine=lambda _, volume=volume: SimpleNamespace(volume=volume))
        for volume in (tank, None)
    )
    full = DiskFull("a-db")

    full.check(there)
    full.inject(there)
    full.heal(there)
    assert tank.done == ["fill", "empty"]
    for act in (full.check, full.inject, full.heal):
        with pytest.raises(FaultError, match="a-db has no PostgreSQL volume"):
            act(nowhere)

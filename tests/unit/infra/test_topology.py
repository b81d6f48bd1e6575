from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from infra.topology import Address, InventoryError, SiteKind, UnknownHostError, estate_from_listing

_SHARED: dict[str, Any] = {
    "lab_client_site": {"name": "client", "subnet": "10.9.4.0/24", "hosts": {"client-load1": "10.9.4.51"}},
    "lab_supernet": "10.9.0.0/16",
    "lab_management_subnet": "10.9.200.0/24",
    "lab_link_defaults": {"delay_ms": 1},
    "lab_links": [{"ends": ["a", "b"], "subnet": "10.9.100.0/30", "loss_percent": 2}],
}
_LISTED: dict[str, Any] = {
    "_meta": {
        "hostvars": {
            "a-db": {
                "ansible_host": "10.9.1.21",
                "site": "a",
                "site_subnet": "10.9.1.0/24",
                "site_entry_address": "10.9.1.10",
                **_SHARED,
            },
            "b-zk": {
                "ansible_host": "10.9.2.41",
                "site": "b",
                "site_subnet": "10.9.2.0/24",
                "zookeeper_id": 5,
            },
        }
    },
    "postgresql": {"hosts": ["a-db"]},
    "zookeeper": {"hosts": ["b-zk"]},
}


def _estate(change: Any = None) -> Any:
    listed = copy.deepcopy(_LISTED)
    if change:
        change(listed["_meta"]["hostvars"])
    return estate_from_listing(Path("inventory/small"), listed)


def test_a_site_with_databases_is_a_data_site_and_one_without_a_witness() -> None:
    kinds = {site.name: site.kind for site in _estate().sites.values()}
    assert kinds == {"a": SiteKind.DATA, "b": SiteKind.WITNESS, "client": SiteKind.CLIENT}


def test_hosts_have_the_roles_of_their_groups() -> None:
    estate = _estate()
    assert [host.name for host in estate.hosts_with_role("postgresql")] == ["a-db"]
    assert estate.host("b-zk").zookeeper_id == 5
    assert not estate.host("client-load1").boots


def test_a_link_takes_what_it_does_not_say_from_the_defaults() -> None:
    link = _estate().link("b", "a")
    assert (link.quality.delay_ms, link.quality.loss_percent) == (1, 2)
    assert link.address_of("a") == Address("10.9.100.1")
    assert link.address_of("b") == Address("10.9.100.2")


def test_select_takes_a_host_or_a_whole_site() -> None:
    estate = _estate()
    assert estate.select("a") == estate.select("a-db")


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownHostError, match="did you mean a-db"):
        _estate().host("a-bd")


def test_an_address_outside_its_site_is_refused() -> None:
    with pytest.raises(InventoryError, match=r"a-db: 10\.9\.2\.21 lies outside a's 10\.9\.1\.0/24"):
        _estate(lambda hosts: hosts["a-db"].update(ansible_host="10.9.2.21"))


def test_an_address_used_twice_is_refused() -> None:
    with pytest.raises(InventoryError, match="taken by entry of a"):
        _estate(lambda hosts: hosts["a-db"].update(ansible_host="10.9.1.10"))


def test_a_host_without_site_is_refused() -> None:
    with pytest.raises(InventoryError, match=r"b-zk: site is not set; set it in hosts\.yml"):
        _estate(lambda hosts: hosts["b-zk"].pop("site"))


def test_a_link_to_nowhere_is_refused() -> None:
    with pytest.raises(InventoryError, match="must name two of the sites"):
        _estate(
            lambda hosts: hosts["a-db"].update(lab_links=[{"ends": ["a", "x"], "subnet": "10.9.100.0/30"}])
        )

"""The sites' power switches: a command cuts a server's power for real, and they fail as controllers do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.command import Completed
from infra.faults import LinkCut, PowerCut
from infra.hosts import wait_until_booted
from infra.lab import Lab
from infra.paths import CHECKOUT
from infra.power import PORT
from infra.topology import load_estate

pytestmark = pytest.mark.lab

WITNESS, STANDBY_SITE = "wit-zk1", "dc2"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(CHECKOUT / "inventory/lab"))


@pytest.fixture(autouse=True)
def healed(lab: Lab) -> Iterator[None]:
    yield
    lab.heal()
    wait_until_booted(lab.machines, print)


def order(lab: Lab, host: str, *words: str, site: str = STANDBY_SITE, certificate: bool = True) -> Completed:
    """What an agent's fencing command does, from the witness."""
    name, address = f"power-{site}", lab.estate.sites[site].gateway
    shown = ["--cert", "/etc/twinsite/tls/host.pem"] if certificate else []
    trust = ["--cacert", "/etc/twinsite/tls/ca.pem", *shown]
    there = ["--connect-to", f"{name}:{PORT}:{address}:{PORT}", f"https://{name}:{PORT}/hosts/{host}"]
    curl = [
        "curl",
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--max-time",
        "25",
        *trust,
        *there,
        *words,
    ]
    return lab.machine(WITNESS).run(curl, check=False)


def off(lab: Lab, host: str, site: str = STANDBY_SITE) -> Completed:
    return order(lab, host, "--request", "PUT", "--data", "off", site=site)


def test_an_order_cuts_the_power_and_gives_it_back(lab: Lab) -> None:
    host = "dc2-app2"

    assert off(lab, host).stdout == "off\n"
    assert not lab.machine(host).is_on
    assert PowerCut((host,)) in lab.book.read()

    assert order(lab, host, "--request", "PUT", "--data", "on").stdout == "on\n"
    assert lab.machine(host).is_on
    assert order(lab, host).stdout == "on\n"


def test_nobody_without_a_certificate_is_heard(lab: Lab) -> None:
    answer = order(lab, "dc2-app2", "--request", "PUT", "--data", "off", certificate=False)

    assert answer.returncode != 0
    assert lab.machine("dc2-app2").is_on


def test_a_switch_knows_its_own_site_only(lab: Lab) -> None:
    assert off(lab, "dc1-app2").returncode != 0
    assert lab.machine("dc1-app2").is_on


def test_a_site_that_is_cut_off_has_no_switch_for_the_others(lab: Lab) -> None:
    lab.inject([LinkCut((STANDBY_SITE, "wit")), LinkCut((STANDBY_SITE, "dc1"))])

    assert off(lab, "dc2-app2").returncode != 0
    assert lab.machine("dc2-app2").is_on

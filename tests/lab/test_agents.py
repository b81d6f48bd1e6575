"""The agents of the provisioned lab: all of them count, the witness's is in office, and all is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient

from failover.events import current
from failover.observe.zookeeper import connect
from failover.telling import tell
from infra.lab import Lab
from infra.paths import CHECKOUT, secrets
from infra.secrets import SecretStore
from infra.topology import load_estate
from twinsite.wiring import access_of, layout_of

pytestmark = pytest.mark.lab

# An agent that came back waits for the sessions of its last life, and the witness's for the office.
WITHIN_S = 60.0
INVENTORY = CHECKOUT / "inventory/lab"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(INVENTORY))


@pytest.fixture(scope="module")
def zookeeper(lab: Lab) -> Iterator[KazooClient]:
    client = connect(layout_of(lab.estate), access_of(SecretStore(secrets(INVENTORY))), 10.0)
    yield client
    client.stop()
    client.close()


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(1.0)
    return True


def test_all_agents_count_and_one_on_the_witness_is_in_office(lab: Lab, zookeeper: KazooClient) -> None:
    observers = sorted(host.name for host in lab.estate.hosts_with_role("zookeeper"))

    def as_it_should_be() -> bool:
        told = tell(zookeeper, layout_of(lab.estate), time.monotonic_ns, time.sleep)
        return f"agents that count: {', '.join(observers)}" in told and "in office: wit-" in told

    assert until(as_it_should_be)


def test_the_ruling_is_that_all_is_well(zookeeper: KazooClient) -> None:
    def well() -> bool:
        announced = current(zookeeper)
        return announced is not None and announced.texts[0].startswith("[H-01] healthy")

    assert until(well)

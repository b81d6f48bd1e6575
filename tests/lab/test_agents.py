"""The agents of the provisioned lab: all of them count, the witness's is in office, and all is well."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient

from failover.events import current
from failover.observe.zookeeper import connect
from failover.telling import tell
from infra.lab import Lab
from infra.paths import CHECKOUT, secrets
from infra.secrets import SecretStore
from infra.topology import load_estate
from tests.lab.waiting import until
from twinsite.wiring import access_of, layout_of

pytestmark = pytest.mark.lab

# An agent that came back waits for the sessions of its last life, and the witness's for the office.
WITHIN_S = 120.0
INVENTORY = CHECKOUT / "inventory/lab"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(INVENTORY))


@pytest.fixture(scope="module")
def zookeeper(lab: Lab) -> Iterator[KazooClient]:
    client = connect(layout_of(lab.estate), access_of(SecretStore(secrets(INVENTORY))), 30.0)
    yield client
    client.stop()
    client.close()


def test_all_agents_count_and_one_on_the_witness_is_in_office(lab: Lab, zookeeper: KazooClient) -> None:
    observers = sorted(host.name for host in lab.estate.hosts_with_role("zookeeper"))

    def as_it_should_be() -> None:
        told = tell(zookeeper, layout_of(lab.estate), time.monotonic_ns, time.sleep)
        assert f"agents that count: {', '.join(observers)}" in told
        assert "in office: wit-" in told

    until(as_it_should_be, within_s=WITHIN_S)


def test_the_ruling_is_that_all_is_well(zookeeper: KazooClient) -> None:
    def well() -> None:
        announced = current(zookeeper)
        assert announced is not None
        assert announced.texts[0].startswith("[H-01] healthy")

    until(well, within_s=WITHIN_S)

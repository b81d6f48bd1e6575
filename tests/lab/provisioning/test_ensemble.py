"""ZooKeeper's ensemble as it runs: led from the witness, also after the witness was away."""

from __future__ import annotations

import pytest

from failover.leader_seat import LOOKS_EVERY_S
from failover.model import Node, ZooKeeperState
from failover.observe.zookeeper import ask_servers
from tests.lab.provisioning.conftest import hosts_of
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

SERVERS = hosts_of("zookeeper")
DATA_SITES = set(hosts_of("application"))


@pytest.fixture
def leader(provisioned):
    """Who leads, once every server answers."""
    nodes = [Node(host, provisioned.estate.hosts[host].site, provisioned.address(host)) for host in SERVERS]

    def found() -> str:
        states = ask_servers(nodes, provisioned.tls(), 5.0)
        served = {host: state.mode for host, state in states.items() if isinstance(state, ZooKeeperState)}
        assert set(served) == set(SERVERS), states
        leaders = [host for host, mode in served.items() if mode == "leader"]
        assert len(leaders) == 1, served
        return leaders[0]

    return found


def test_the_leadership_comes_back_to_the_witness_by_itself(leader, on):
    """In turns: a server of a data site may be elected, having the last transaction, when another leaves."""
    (witness,) = set(SERVERS) - DATA_SITES

    def led_by(*wanted: str) -> None:
        assert leader() in wanted

    until(lambda: led_by(witness), within_s=12 * LOOKS_EVERY_S)
    on(witness).check_output("systemctl restart zookeeper")
    until(lambda: led_by(*DATA_SITES))

    until(lambda: led_by(witness), within_s=12 * LOOKS_EVERY_S)
    agents = [
        on(host).check_output("journalctl --unit twinsite-agent --output cat") for host in sorted(DATA_SITES)
    ]
    assert any("this server starts anew" in log for log in agents)

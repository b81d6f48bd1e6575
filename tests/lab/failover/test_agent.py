"""A whole agent on a real ZooKeeper: it publishes what it sees, takes office, rules, and obeys orders."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from failover.__main__ import build
from failover.actuators.pools import Pools
from failover.agent import ClientEndedError
from failover.agent_config import AgentConfig
from failover.estate_reader import VIEWS, EstateReader
from failover.events import current, history
from failover.leadership import Leadership
from failover.model import Layout, Node, Site
from failover.order_desk import OrderDesk
from failover.pool_gate import PoolGate
from failover.telling import tell
from failover.views import Outcome

pytestmark = pytest.mark.lab
WITHIN_S = 60.0
PORTS = itertools.count(17404)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed pair in one file, good enough to make a TLS context of."""
    pem = tmp_path_factory.mktemp("tls") / "host.pem"
    crt = pem.with_suffix(".crt")
    request = ("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=agent")
    subprocess.run([*request, "-keyout", pem, "-out", crt], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + crt.read_bytes())
    return pem


def config(certificate: Path, journal: Path) -> AgentConfig:
    """Databases on loopback addresses where nobody listens: each refuses. The ports are no other agent's."""
    heartbeat_port = next(PORTS)
    witness = Node("wit-zk1", "wit", "127.0.0.1")
    databases = tuple(Node(f"{site}-db1", site, f"127.0.1.{n}") for n, site in enumerate(("dc1", "dc2"), 1))
    sites = tuple(Site(name) for name in ("dc1", "dc2", "wit"))
    return AgentConfig(
        name="wit-zk1",
        layout=Layout(sites, databases, (), (witness,)),
        ca_file=certificate.with_suffix(".crt"),
        certificate=certificate,
        monitor_password="m",
        patroni_password="p",
        journal_directory=journal,
        heartbeat_port=heartbeat_port,
        metrics_port=next(PORTS),
        write_gate=journal / "gate",
    )


def figures(settings: AgentConfig) -> str:
    return httpx.get(f"http://127.0.0.1:{settings.metrics_port}/metrics", trust_env=False).text


async def until(what) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(what):
            await asyncio.sleep(0.1)


async def test_an_agent_ends_that_will_have_no_session_again(
    client, certificate: Path, tmp_path: Path
) -> None:
    """Its unit starts it anew; one that stayed would be there, and neither see nor say anything."""
    zk = client()
    running = asyncio.create_task(build(config(certificate, tmp_path), zk).run())
    try:
        await until(EstateReader(client()).views)
        zk.stop()  # as kazoo does of itself at what it does not expect
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(ExceptionGroup) as ended:
                await running
        assert ended.group_contains(ClientEndedError)
    finally:
        running.cancel()


async def test_an_agent_publishes_takes_office_and_rules(client, certificate: Path, tmp_path: Path) -> None:
    zk, reader = client(), EstateReader(client())
    settings = config(certificate, tmp_path)
    running = asyncio.create_task(build(settings, zk).run())
    try:
        await until(lambda: reader.views() and reader.views()[0].databases[0].rest.streak >= 3)
        (view,) = reader.views()
        assert {database.rest.outcome for database in view.databases} == {Outcome.REFUSED}
        await until(lambda: current(zk))
        announced = current(zk)
        assert announced is not None
        assert any("P-07" in text and "no-primary" in text for text in announced.texts)
        told = await asyncio.to_thread(tell, client(), settings.layout, time.monotonic_ns, time.sleep)
        assert "agents that count: wit-zk1" in told
        assert "in office: wit-zk1; mode active, durability available" in told
        assert history(zk)[0].by == "wit-zk1"
        await until(lambda: reader.views()[0].epoch > 0)
        await until(lambda: 'twinsite_condition{condition="no-primary"' in figures(settings))
        await until(lambda: 'twinsite_alarm{rule="P-07"' in figures(settings))
        assert json.loads((tmp_path / "gate").read_text())["writes"] == "open"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert zk.exists(f"{VIEWS}/wit-zk1").ephemeralOwner == zk.client_id[0]


class Pool:
    is_paused = False

    def pause(self, within_s: float) -> None:
        assert within_s > 0
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def paused(self) -> bool:
        return self.is_paused

    def renew_reads(self) -> None:
        """Nothing reads here."""


def test_orders_reach_every_host_and_their_answers_return(client) -> None:
    leader = client()
    leadership = Leadership(leader, "one")
    leadership.prepare()
    assert leadership.campaign()
    hosts = {"dc1-app1": Pool(), "dc2-app1": Pool()}
    desks = [OrderDesk(client(), PoolGate(pool, monotonic=lambda: 0.0), name) for name, pool in hosts.items()]
    for desk in desks:
        desk.open()
    clock = iter(range(1_000_000))
    pools = Pools(
        leader,
        leadership,
        lambda: hosts,
        leader=lambda: None,
        monotonic=lambda: next(clock) / 1000,
        sleep=time.sleep,
    )

    assert "dc1-app1, dc2-app1" in pools.pause(operation="op-1", hold_s=5.0)
    assert all(pool.is_paused for pool in hosts.values())
    pools.resume()
    assert not any(pool.is_paused for pool in hosts.values())


def test_an_order_from_before_the_agents_start_is_not_obeyed(client) -> None:
    leader = client()
    leadership = Leadership(leader, "one")
    leadership.prepare()
    assert leadership.campaign()
    pool = Pool()
    pools = Pools(
        leader,
        leadership,
        lambda: ["dc1-app1"],
        leader=lambda: None,
        monotonic=iter([0.0, 2.0]).__next__,
        sleep=time.sleep,
    )
    with pytest.raises(Exception, match="no answer"):
        pools.pause(operation="op-1", hold_s=5.0)

    desk = OrderDesk(client(), PoolGate(pool, monotonic=lambda: 0.0), "dc1-app1")
    desk.open()
    leader.sync("/")

    assert desk._orders.empty()
    assert not pool.is_paused

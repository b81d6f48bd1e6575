"""What an elected agent acts and looks with, wired from its configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kazoo.client import KazooClient

from failover.actuators.absent import Absent
from failover.actuators.databases import Databases
from failover.actuators.fencing import CommandFencing, NoFencing
from failover.actuators.hosts import Hosts
from failover.actuators.leader_key import LeaderKey
from failover.actuators.patroni import Patroni, RestAccess
from failover.actuators.pools import Pools
from failover.actuators.ports import Actuators, Fencing, WriteGatePort
from failover.actuators.preferences import PreferredSite, Synchronous, preferred_site
from failover.agent_config import AgentConfig
from failover.closeup import CloseUp, DirectCloseUp
from failover.command import run as run_command
from failover.desk import Desk, Planner, Seat
from failover.estate_reader import EstateReader
from failover.exposure import Track
from failover.gauge import published
from failover.inspection import HostInspector, Inspector
from failover.journal_store import JournalReader
from failover.leadership import Leadership
from failover.maintenance import Register
from failover.model import POSTGRESQL_PORT
from failover.panel import Picture, everyone_counts
from failover.plan import Operation
from failover.planners import planners
from failover.planners_unplanned import unplanned
from failover.requests import RequestBox
from failover.sensors import Instruments
from failover.strand_watch import StrandWatch
from failover.telling import settle

NOT_ALLOWED = "an agent does not do this; it is ordered by an operator's program"


class Equipment:
    """Everything of one agent's, made once and shared by its hands and eyes."""

    def __init__(self, config: AgentConfig, client: KazooClient, leadership: Leadership) -> None:
        self._config, self._client, self._leadership = config, client, leadership
        self._addresses = {node.name: node.address for node in config.layout.databases}
        self._reader = EstateReader(client)
        self._site = PreferredSite(client, leadership)
        self._register = Register(client, leadership)
        self._leader_key = LeaderKey(client, leadership)
        for each in (self._site, self._register, self._leader_key):
            each.prepare()
        self._pools = self._all_pools()
        self.fencing: Fencing = _fencing(config)
        self.close_up: CloseUp = DirectCloseUp(self._addresses, self._conninfo)
        self.inspector: Inspector = HostInspector(
            config.layout, lambda host: self._conninfo(host, "postgres"), config.tls()
        )
        self.strands = StrandWatch(
            lambda host: self._conninfo(host, "postgres"),
            in_office=lambda: leadership.in_office,
            leader=self._reader.leader,
            history=self._reader.history,
        )

    def _conninfo(self, host: str, database: str) -> str:
        """The server's certificate must be the estate's; a dead peer is given up soon."""
        return (
            f"host={self._addresses[host]} port={POSTGRESQL_PORT} dbname={database} user=monitor"
            f" sslmode=verify-ca sslrootcert={self._config.ca_file} password={self._config.monitor_password}"
            f" tcp_user_timeout=2000 application_name=twinsite-orchestrator-{self._config.name}"
        )

    def actuators(self, gate: WriteGatePort) -> Actuators:
        access = RestAccess(self._config.tls(), "patroni", self._config.patroni_password)
        patroni = Patroni(access, self._addresses)
        return Actuators(
            fencing=self.fencing,
            leader_key=self._leader_key,
            patroni=patroni,
            databases=Databases(self.close_up, NOT_ALLOWED),
            synchronous=Synchronous(patroni, tuple(self._addresses), self._reader.leader),
            pools=self._pools,
            write_gate=gate,
            hosts=Hosts(self._site, self._register),
            ensemble=Absent(NOT_ALLOWED),
        )

    def instruments(self, look: Callable[[], Picture]) -> Instruments:
        return Instruments(
            look=look,
            settled=lambda: settle(look, time.sleep, everyone_counts),
            cluster=self._reader.cluster,
            leader=self._reader.leader,
            fencing=self.fencing,
            inspector=self.inspector,
            close_up=self.close_up,
            pools=self._pools,
            preferred_site=lambda: preferred_site(self._client),
            stranded=self.strands.look,
        )

    def desk(self) -> Desk:
        box = RequestBox(self._client)
        box.prepare()
        seat = Seat(self._config.name, self._config.policy.mode, lambda: self._leadership.epoch)
        return Desk(box, seat, self._planners(), JournalReader(self._client))

    def _planners(self) -> Mapping[Operation, Planner]:
        def tracked() -> Track | None:
            measured = published(self._client)
            return measured.track if measured else None

        newest, durability = JournalReader(self._client).newest, self._config.policy.durability
        switches = planners(self.inspector, newest, durability)
        return {**switches, **unplanned(tracked, self._config.budget)}

    def _all_pools(self) -> Pools:
        with_pools = frozenset(node.name for node in self._config.layout.applications)
        return Pools(
            self._client,
            self._leadership,
            lambda: [name for name in self._reader.observers() if name in with_pools],
            monotonic=time.monotonic,
            sleep=time.sleep,
            leader=self._reader.leader,
        )


def _fencing(config: AgentConfig) -> Fencing:
    if not config.fencing.off:
        return NoFencing()
    return CommandFencing(
        off=config.fencing.off,
        on=config.fencing.on,
        guarantee=config.fencing.guarantee,
        run=run_command,
        sites={node.name: node.site for node in config.layout.databases},
    )

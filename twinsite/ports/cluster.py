"""The database cluster through Patroni's REST API, and who holds what right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from failover import model
from failover.drills.model import ClusterStatus, Member, MemberRole, OrchestratorMode, ReplicationMode
from failover.drills.ports import PortError
from failover.following import Counter
from failover.journal import Outcome
from failover.model import ZooKeeperState
from failover.observe.attempt import tls_context
from failover.observe.estate import observe
from failover.observe.patroni import change, url
from failover.observe.problems import problems
from failover.observe.zookeeper import ask_servers
from failover.plan import Operation
from failover.planned import plan, request
from infra.lab import Lab
from twinsite import ordering
from twinsite.ports.errors import as_port_errors
from twinsite.ports.orchestrator import Agents

# An operation that a drill left behind, such as a rejoining, may have to end first.
_TURN_WITHIN_S = 60.0
# A member that does not answer in this time is passed over; the next one is asked.
_PATIENCE_S = 1.0
# ZooKeeper's words take a handshake and a busy Java: found out once, before a drill begins.
_ZOOKEEPER_PATIENCE_S = 5.0
# What a drill reads from `status` already.
_TOLD_BY_STATUS = {
    "no-primary",
    "no-remote-copy",
    "patroni-unreachable",
    "postgresql-unreachable",
    "standby-not-streaming",
    "synchronous-set-short",
    "timeline-behind",
}
_ROLES = {
    "leader": MemberRole.LEADER,
    "replica": MemberRole.REPLICA,
    "sync_standby": MemberRole.REPLICA,
    "quorum_standby": MemberRole.REPLICA,
}
# Packages whose versions a verdict tells, by the role of the hosts that have them.
_PACKAGES = {
    "postgresql": ("postgresql-17",),
    "application": ("haproxy", "pgbouncer", "keepalived", "zookeeper"),
}


class PatroniCluster:
    """Asks the members in turn, the one that answered last first."""

    def __init__(self, lab: Lab, layout: model.Layout, access: model.Access) -> None:
        self._lab = lab
        self._layout = layout
        self._access = access
        self._order = list(layout.databases)
        self._tls = tls_context(access)
        self._client = httpx.Client(verify=self._tls, timeout=_PATIENCE_S, trust_env=False)

    def status(self) -> ClusterStatus:
        node, document = self._ask("cluster")
        settings = self._get(node, "config")
        synchronous = settings.get("synchronous_mode") in (True, "on", "quorum")
        return ClusterStatus(
            members=tuple(member_from(each) for each in document["members"]),
            mode=ReplicationMode.SYNCHRONOUS if synchronous else ReplicationMode.ASYNCHRONOUS,
            paused=bool(document.get("pause", False)),
        )

    def problems(self) -> tuple[str, ...]:
        with as_port_errors():
            view = observe(self._layout, self._access)
        return tuple(
            f"{each.subject}: {each.text}" for each in problems(view) if each.code not in _TOLD_BY_STATUS
        )

    def switchover(self, to_site: str) -> None:
        """By the orchestrator where it acts, as an operator orders it; by Patroni alone otherwise."""
        with as_port_errors():
            if Agents(self._layout, self._access).mode() is OrchestratorMode.ACTIVE:
                self._order_switchover(to_site)
                return
            switch = plan(observe(self._layout, self._access), to_site)
            if switch is not None:
                request(switch, self._access)

    def _order_switchover(self, to_site: str) -> None:
        course: list[str] = []
        asked = ordering.request(Operation.SWITCHOVER, "a drill", site=to_site)
        with ordering.session(self._layout, self._access) as client:
            entry = Counter(client, ordering.CLOCK, course.append).order(asked, wait_s=_TURN_WITHIN_S)
        if entry.outcome is Outcome.ROLLED_BACK:
            raise PortError("\n".join(("the orchestrator switched nothing:", *course)))

    def set_replication(self, mode: ReplicationMode) -> None:
        """The limit of lag needs no lifting: the roles set it so wide that it refuses nobody."""
        node, _ = self._ask("cluster")
        wanted = {"synchronous_mode": mode is ReplicationMode.SYNCHRONOUS}
        with as_port_errors():
            answer = change(self._access, "PATCH", node, "config", wanted, deadline_s=10)
            answer.raise_for_status()

    def entry_holder(self, site: str) -> str:
        entry = next((each.entry for each in self._layout.sites if each.name == site), None)
        asked = ["ip", "-4", "-oneline", "addr", "show", "to", f"{entry}/32"]
        for node in self._layout.applications:
            if node.site != site:
                continue
            with as_port_errors():
                found = self._lab.machine(node.name).run(asked)
            if found.stdout.strip():
                return node.name
        raise PortError(f"no application host of {site} holds its entry {entry}")

    def zookeeper_leader(self) -> str:
        for host, state in ask_servers(self._layout.zookeepers, self._tls, _ZOOKEEPER_PATIENCE_S).items():
            if isinstance(state, ZooKeeperState) and state.mode == "leader":
                return host
        raise PortError("no ZooKeeper server says that it leads")

    def versions(self) -> Mapping[str, str]:
        node, _ = self._ask("cluster")
        found = {"patroni": str(self._get(node, "patroni")["patroni"]["version"])}
        for role, packages in _PACKAGES.items():
            host = self._lab.estate.hosts_with_role(role)[0].name
            with as_port_errors():
                listed = self._lab.machine(host).run(
                    ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *packages]
                )
            found |= dict(line.split(" ", 1) for line in listed.stdout.splitlines())
        return found

    def _ask(self, path: str) -> tuple[model.Node, dict[str, Any]]:
        """The first member that answers, and its answer.

        Raises:
            PortError: none does.
        """
        for node in list(self._order):
            try:
                document = self._get(node, path)
            except PortError:
                continue
            self._order.remove(node)
            self._order.insert(0, node)
            return node, document
        raise PortError("no member of the cluster answers")

    def _get(self, node: model.Node, path: str) -> dict[str, Any]:
        try:
            document: dict[str, Any] = self._client.get(url(node, path)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise PortError(f"Patroni on {node.name}: {error}") from error
        return document


def member_from(row: Mapping[str, Any]) -> Member:
    """One member of GET /cluster. An unknown lag is Patroni's word "unknown"."""
    lag = row.get("lag")
    return Member(
        name=row["name"],
        role=_ROLES.get(row["role"], MemberRole.UNKNOWN),
        state=row["state"],
        timeline=row.get("timeline"),
        lag_bytes=lag if isinstance(lag, int) else None,
        synchronous=row["role"] in ("sync_standby", "quorum_standby"),
    )

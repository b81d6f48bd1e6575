"""The agent's configuration file, read into types. Every error names the file and the key."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from failover.actuators.ports import Guarantee
from failover.decide import Mode, Policy
from failover.exposure import Budget
from failover.model import POSTGRESQL_PORT, Layout, Node, Site
from failover.panel import Thresholds
from failover.probing import Pace
from failover.transitions import Durability


class ConfigError(ValueError):
    """The configuration cannot be used."""


@dataclass(frozen=True)
class FencingConfig:
    """`off` and `on` empty: no driver."""

    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    guarantee: Guarantee = Guarantee.NOTHING


@dataclass(frozen=True)
class AgentConfig:
    """Everything an agent must know. Passwords and keys never appear in its representation."""

    name: str
    layout: Layout
    ca_file: Path
    certificate: Path
    monitor_password: str = field(repr=False)
    patroni_password: str = field(repr=False)
    pool_conninfo: str | None = field(default=None, repr=False)
    pool_database: str = "crm"
    haproxy_socket: Path | None = None
    journal_directory: Path = Path("/var/lib/twinsite-agent/journal")
    heartbeat_port: int = 7404
    session_s: float = 4.0
    policy: Policy = field(default_factory=Policy)
    thresholds: Thresholds = field(default_factory=Thresholds)
    pace: Pace = field(default_factory=Pace)
    fencing: FencingConfig = field(default_factory=FencingConfig)
    # Told of each alarm, beside the journal; words in braces are replaced (docs/orchestrator.md).
    alarm_command: tuple[str, ...] = ()
    metrics_port: int = 7405
    # What an ordered failover may lose without being asked for each time.
    budget: Budget = field(default_factory=Budget)
    # Where the API of this host reads the write gate; only on application hosts.
    write_gate: Path | None = None
    # Making this file has the ZooKeeper server of this host started anew; only where one is.
    zookeeper_restart: Path | None = None

    def conninfo(self, address: str) -> str:
        """One small session as `monitor`; the server's certificate must be the estate's."""
        return (
            f"host={address} port={POSTGRESQL_PORT} dbname=postgres user=monitor sslmode=verify-ca"
            f" sslrootcert={self.ca_file} password={self.monitor_password}"
            f" application_name=twinsite-agent-{self.name}"
        )

    @property
    def observers(self) -> tuple[Node, ...]:
        """Hosts with an agent: application hosts, and the witness."""
        return tuple(dict.fromkeys((*self.layout.applications, *self.layout.zookeepers)))

    @property
    def me(self) -> Node:
        return next(node for node in self.observers if node.name == self.name)

    @property
    def witness_sites(self) -> frozenset[str]:
        return frozenset(node.site for node in self.observers) - frozenset(self.layout.data_sites)

    @property
    def zookeepers_by_distance(self) -> tuple[Node, ...]:
        """This host's own server, those of its site, the witness's, then those of other data sites."""
        data_sites = set(self.layout.data_sites)

        def distance(node: Node) -> tuple[bool, bool, bool]:
            return node != self.me, node.site != self.me.site, node.site in data_sites

        return tuple(sorted(self.layout.zookeepers, key=distance))

    def tls(self) -> ssl.SSLContext:
        """Trusts the estate's authority only; shows the host's certificate. Dials addresses, not names."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(str(self.certificate))
        context.check_hostname = False
        return context


def load(path: Path) -> AgentConfig:
    """Reads and checks the file.

    Raises:
        ConfigError: unreadable, no YAML, an unknown or missing key, or a name that is no observer.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = _config(dict(raw))
    except (OSError, yaml.YAMLError, TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if config.name not in {node.name for node in config.observers}:
        raise ConfigError(f"{path}: name: {config.name} is neither an application host nor a ZooKeeper host")
    return config


def _config(raw: dict[str, Any]) -> AgentConfig:
    policy = dict(raw.pop("policy", {}))
    fencing = dict(raw.pop("fencing", {}))
    gate, restart = raw.pop("write_gate", None), raw.pop("zookeeper_restart", None)
    typed: dict[str, Any] = {
        "budget": Budget(**raw.pop("budget", {})),
        "alarm_command": tuple(raw.pop("alarm_command", ())),
        "write_gate": Path(gate) if gate else None,
        "zookeeper_restart": Path(restart) if restart else None,
        "layout": layout(raw.pop("hosts")),
        "ca_file": Path(raw.pop("ca_file")),
        "certificate": Path(raw.pop("certificate")),
        "journal_directory": Path(raw.pop("journal_directory", AgentConfig.journal_directory)),
        "haproxy_socket": Path(raw.pop("haproxy_socket")) if "haproxy_socket" in raw else None,
        "policy": Policy(
            mode=Mode(policy.pop("mode", Mode.ACTIVE)),
            durability=Durability(policy.pop("durability", Durability.AVAILABLE)),
            **policy,
        ),
        "thresholds": Thresholds(**raw.pop("thresholds", {})),
        "pace": Pace(**raw.pop("pace", {})),
        "fencing": FencingConfig(
            tuple(fencing.pop("off", ())),
            tuple(fencing.pop("on", ())),
            Guarantee(fencing.pop("guarantee", Guarantee.NOTHING)),
            **fencing,
        ),
    }
    return AgentConfig(**typed, **raw)


ROLES = frozenset({"database", "application", "zookeeper"})


def layout(hosts: list[Mapping[str, Any]]) -> Layout:
    """The layout from a list of {name, site, address, roles}. Raises ValueError for an unknown role."""
    nodes = {Node(host["name"], host["site"], host["address"]): frozenset(host["roles"]) for host in hosts}
    for node, roles in nodes.items():
        if unknown := roles - ROLES:
            raise ValueError(f"hosts: {node.name}: unknown role {', '.join(sorted(unknown))}")

    def having(role: str) -> tuple[Node, ...]:
        return tuple(node for node, roles in nodes.items() if role in roles)

    sites = tuple(Site(name) for name in dict.fromkeys(node.site for node in nodes))
    return Layout(sites, having("database"), having("application"), having("zookeeper"))

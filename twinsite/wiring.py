"""Passes what one room knows to another: the estate and its secrets as the rooms' own types."""

from __future__ import annotations

from collections.abc import Iterable

from failover import model
from failover.inspection import HostInspector
from failover.observe.attempt import tls_context
from failover.observe.postgres import conninfo
from infra.secrets import SecretStore
from infra.topology import Estate, Host


def layout_of(estate: Estate) -> model.Layout:
    """Who should be there, for the observing room."""
    return model.Layout(
        sites=tuple(
            model.Site(site.name, str(site.entry_address) if site.entry_address else None)
            for site in estate.sites.values()
        ),
        databases=_nodes(estate.hosts_with_role("postgresql")),
        applications=_nodes(estate.hosts_with_role("application")),
        zookeepers=_nodes(estate.hosts_with_role("zookeeper")),
    )


def _nodes(hosts: Iterable[Host]) -> tuple[model.Node, ...]:
    return tuple(model.Node(host.name, host.site, str(host.address)) for host in hosts)


def inspector_of(layout: model.Layout, access: model.Access) -> HostInspector:
    """The operator's own look at the hosts, as the elected agent has it.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    nodes = {node.name: node for node in layout.databases}
    return HostInspector(
        layout, lambda host: conninfo(nodes[host], access, "twinsite-plan"), tls_context(access)
    )


def access_of(store: SecretStore) -> model.Access:
    """The operator's way to every interface.

    Raises:
        SecretsError: the store is not filled.
    """
    secrets = store.read()
    return model.Access(
        ca_certificate=store.ca_certificate,
        certificate=store.operator_certificate,
        key=store.operator_key,
        monitor_password=secrets.monitor_password,
        patroni_rest_password=secrets.patroni_rest_password,
    )

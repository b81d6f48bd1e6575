"""Passes what one room knows to another: the estate and its secrets as the rooms' own types."""

from __future__ import annotations

from collections.abc import Iterable

from failover import model
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

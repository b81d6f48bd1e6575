"""Puts a drill together: the estate in its words, and every port on the lab."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from failover.drills import model, ports
from failover.drills.clock import SystemClock
from failover.drills.observer import Observed, SamplingObserver
from failover.drills.state import SqlStateReader
from failover.model import POSTGRESQL_PORT
from failover.observe import zookeeper
from failover.observe.postgres import USER
from infra.secret_values import Secrets
from infra.topology import Estate, Host, SiteKind
from twinsite.context import Context
from twinsite.outcome import CannotError
from twinsite.ports.cluster import PatroniCluster
from twinsite.ports.faults import LabFaults
from twinsite.ports.load import LoadProcess, load_environment
from twinsite.ports.logs import HostJournals
from twinsite.ports.orchestrator import Agents
from twinsite.ports.quorum import LabQuorum
from twinsite.wiring import access_of, layout_of

DATABASE = "crm"
AUDITOR = "crm_audit"

Named = TypeVar("Named")


def named(what: str, name: str, known: Mapping[str, Named]) -> Named:
    """What is called so, to be asked for before anything else is done.

    Raises:
        CannotError: nothing is; the message names the nearest, or all.
    """
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    raise CannotError(f"no {what} is called {name!r}; {hint}")


def drill_estate(estate: Estate) -> model.Estate:
    """Hosts and entries in the drills' words."""
    return model.Estate(
        hosts=tuple(
            model.Host(host.name, str(host.address), host.site, host.roles) for host in estate.booting_hosts
        ),
        entries=entries_of(estate),
    )


def entries_of(estate: Estate) -> tuple[model.Entry, ...]:
    return tuple(
        model.Entry(site.name, f"https://{site.entry_address}")
        for site in estate.data_sites
        if site.entry_address
    )


def preferred(entries: Sequence[model.Entry], site: str | None) -> tuple[model.Entry, ...]:
    """The entries, that of one site first: users are sent to the site that holds the primary."""
    return tuple(sorted(entries, key=lambda entry: entry.site != site))


def client_host(estate: Estate) -> Host:
    """The host in whose namespace the users live.

    Raises:
        CannotError: the inventory names none.
    """
    clients = [site.name for site in estate.sites.values() if site.kind is SiteKind.CLIENT]
    hosts = [host for site in clients for host in estate.hosts_at(site)]
    if not hosts:
        raise CannotError("the inventory names no client host (lab_client_site); users have no place to live")
    return hosts[0]


def conninfo(context: Context, host: Host, user: str, password: str) -> str:
    """A connection to one very host, over TLS and by its name."""
    return make_conninfo(
        host=host.name,
        hostaddr=str(host.address),
        port=POSTGRESQL_PORT,
        dbname=DATABASE,
        user=user,
        password=password,
        sslmode="verify-full",
        sslrootcert=str(context.secrets.ca_certificate),
        connect_timeout=3,
        application_name="twinsite-drill",
    )


def cluster_of(context: Context) -> PatroniCluster:
    """The database cluster of the lab.

    Raises:
        SecretsError: the lab was never provisioned.
    """
    return PatroniCluster(context.lab, layout_of(context.estate), access_of(context.secrets))


def ports_of(context: Context) -> ports.Ports:
    """Everything that a drill is given.

    Raises:
        SecretsError: the lab was never provisioned.
        CannotError: the inventory names no client host.
    """
    estate, secrets, lab = context.estate, context.secrets.read(), context.lab
    layout, access = layout_of(estate), access_of(context.secrets)
    cluster, client = cluster_of(context), client_host(estate)
    entries = entries_of(estate)

    def entries_now() -> tuple[model.Entry, ...]:
        leader = cluster.status().leader
        return preferred(entries, estate.host(leader.name).site if leader else None)

    return ports.Ports(
        clock=SystemClock(),
        faults=LabFaults(lab),
        cluster=cluster,
        orchestrator=Agents(layout, access),
        quorum=LabQuorum(context),
        state=_state_reader(context, secrets),
        load=LoadProcess(
            client.name,
            entries_now,
            context.secrets.ca_certificate,
            load_environment(secrets.crm_load_key, secrets.crm_subscriber_key),
            receiver=str(client.address),
        ),
        observer=SamplingObserver(
            Observed(
                databases={
                    host.name: conninfo(context, host, USER, secrets.monitor_password)
                    for host in estate.hosts_with_role("postgresql")
                },
                entries=entries,
                entry_ca=context.secrets.ca_certificate,
                zookeeper=lambda: zookeeper.client_of(layout, access),
            )
        ),
        logs=HostJournals(lab),
    )


def _state_reader(context: Context, secrets: Secrets) -> SqlStateReader:
    hosts = {host.name: host for host in context.estate.hosts_with_role("postgresql")}

    def connect(name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            conninfo(context, hosts[name], AUDITOR, secrets.crm_audit_password), autocommit=True
        )

    return SqlStateReader(tuple(hosts), connect)

"""The estate as the Ansible inventory tells it: sites, hosts, links. Nothing here is typed twice."""

from __future__ import annotations

import difflib
import ipaddress
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from infra.command import run

Address = ipaddress.IPv4Address
Network = ipaddress.IPv4Network

_ROLES = ("postgresql", "application", "zookeeper")


class InventoryError(Exception):
    """The inventory lacks something or contradicts itself; the message names the place and the remedy."""


class UnknownHostError(InventoryError):
    """A name that the inventory does not hold."""


class SiteKind(StrEnum):
    """What a site is there for."""

    DATA = "data"
    WITNESS = "witness"
    CLIENT = "client"


@dataclass(frozen=True)
class Site:
    """A place with a subnet of its own; `entry_address` is the virtual address of a data site."""

    name: str
    kind: SiteKind
    subnet: Network
    entry_address: Address | None = None

    @property
    def gateway(self) -> Address:
        """The router's address: the first of the subnet."""
        return self.subnet[1]


@dataclass(frozen=True)
class Host:
    """A host of the inventory. `boots` is false for a bare network namespace (the lab's client)."""

    name: str
    site: str
    address: Address
    roles: frozenset[str]
    zookeeper_id: int | None = None
    boots: bool = True


@dataclass(frozen=True)
class LinkQuality:
    """What a link does to packets; delay and jitter one way, loss in each direction, rate 0 = unlimited."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_mbit: float = 0.0

    def describe(self) -> str:
        rate = f"{self.rate_mbit:g} Mbit/s" if self.rate_mbit else "no rate limit"
        return f"{self.delay_ms:g}±{self.jitter_ms:g} ms, {self.loss_percent:g} % loss, {rate}"


@dataclass(frozen=True)
class Link:
    """A point-to-point link between the routers of two sites."""

    ends: tuple[str, str]
    subnet: Network
    quality: LinkQuality

    @property
    def name(self) -> str:
        return "-".join(self.ends)

    def address_of(self, site: str) -> Address:
        """The address of one end: the first usable one belongs to the first site named."""
        return self.subnet[1 + self.ends.index(site)]

    def peer_of(self, site: str) -> str:
        return self.ends[1 - self.ends.index(site)]


@dataclass(frozen=True)
class Estate:
    """Everything that the inventory says. `links`, `supernet`, `management` exist in the lab only."""

    inventory: Path
    sites: Mapping[str, Site]
    hosts: Mapping[str, Host]
    links: tuple[Link, ...] = ()
    supernet: Network | None = None
    management: Network | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.inventory.name

    def host(self, name: str) -> Host:
        """The host of that name.

        Raises:
            UnknownHostError: no such host; the message offers the nearest names.
        """
        if name in self.hosts:
            return self.hosts[name]
        raise UnknownHostError(_no_such("host", name, list(self.hosts)))

    def site(self, name: str) -> Site:
        """The site of that name.

        Raises:
            UnknownHostError: no such site; the message offers the nearest names.
        """
        if name in self.sites:
            return self.sites[name]
        raise UnknownHostError(_no_such("site", name, list(self.sites)))

    def select(self, name: str) -> tuple[Host, ...]:
        """The hosts that a host's or a site's name stands for.

        Raises:
            UnknownHostError: neither a host nor a site.
        """
        if name in self.sites:
            return self.hosts_at(name)
        if name in self.hosts:
            return (self.hosts[name],)
        raise UnknownHostError(_no_such("host or site", name, [*self.hosts, *self.sites]))

    def hosts_at(self, site: str) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts.values() if host.site == site)

    def hosts_with_role(self, role: str) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts.values() if role in host.roles)

    @property
    def booting_hosts(self) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts.values() if host.boots)

    @property
    def data_sites(self) -> tuple[Site, ...]:
        return tuple(site for site in self.sites.values() if site.kind is SiteKind.DATA)

    def link(self, one: str, other: str) -> Link:
        """The link between two sites.

        Raises:
            UnknownHostError: the two sites are not linked.
        """
        for link in self.links:
            if set(link.ends) == {one, other}:
                return link
        raise UnknownHostError(_no_such("link", f"{one}-{other}", [link.name for link in self.links]))


def _no_such(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    return f"no {what} is called {name!r} in the inventory; {hint}"


def load_estate(inventory: Path) -> Estate:
    """Read an inventory folder with Ansible itself, so that both always agree.

    Raises:
        InventoryError: the folder is missing, Ansible cannot read it, or something contradicts itself.
    """
    if not inventory.exists():
        raise InventoryError(f"inventory {inventory} does not exist; name one with --inventory")
    tool = Path(sys.executable).with_name("ansible-inventory")
    listed = json.loads(run([str(tool), "-i", str(inventory), "--list"], timeout=60).stdout)
    return estate_from_listing(inventory, listed)


def estate_from_listing(inventory: Path, listed: Mapping[str, Any]) -> Estate:
    """Build the estate from the JSON of `ansible-inventory --list`.

    Raises:
        InventoryError: a host without address or site, an address outside its site, or one used twice.
    """
    variables: dict[str, dict[str, Any]] = listed["_meta"]["hostvars"]
    shared = next(iter(variables.values()), {})
    roles = {role: set(listed.get(role, {}).get("hosts", ())) for role in _ROLES}
    hosts = {name: _host(name, held, roles) for name, held in variables.items()}
    sites = {host.site: _site(host.site, variables[host.name], hosts) for host in hosts.values()}
    if client := shared.get("lab_client_site"):
        site = Site(client["name"], SiteKind.CLIENT, Network(client["subnet"]))
        sites[site.name] = site
        for name, address in client["hosts"].items():
            hosts[name] = Host(name, site.name, Address(address), frozenset(), boots=False)
    _check_addresses(sites, hosts)
    return Estate(
        inventory=inventory,
        sites=sites,
        hosts=hosts,
        links=_links(shared, sites),
        supernet=Network(shared["lab_supernet"]) if "lab_supernet" in shared else None,
        management=Network(shared["lab_management_subnet"]) if "lab_management_subnet" in shared else None,
        variables=shared,
    )


def _host(name: str, held: Mapping[str, Any], roles: Mapping[str, set[str]]) -> Host:
    for needed in ("ansible_host", "site"):
        if needed not in held:
            raise InventoryError(f"host {name}: {needed} is not set; set it in hosts.yml")
    return Host(
        name=name,
        site=held["site"],
        address=Address(held["ansible_host"]),
        roles=frozenset(role for role, members in roles.items() if name in members),
        zookeeper_id=held.get("zookeeper_id"),
    )


def _site(name: str, held: Mapping[str, Any], hosts: Mapping[str, Host]) -> Site:
    if "site_subnet" not in held:
        raise InventoryError(f"site {name}: site_subnet is not set; set it in hosts.yml")
    holds_data = any(host.site == name and "postgresql" in host.roles for host in hosts.values())
    if holds_data and "site_entry_address" not in held:
        raise InventoryError(f"site {name}: site_entry_address is not set; a data site needs one")
    return Site(
        name=name,
        kind=SiteKind.DATA if holds_data else SiteKind.WITNESS,
        subnet=Network(held["site_subnet"]),
        entry_address=Address(held["site_entry_address"]) if holds_data else None,
    )


def _links(shared: Mapping[str, Any], sites: Mapping[str, Site]) -> tuple[Link, ...]:
    defaults = shared.get("lab_link_defaults", {})
    links = []
    for entry in shared.get("lab_links", ()):
        strangers = set(entry["ends"]) - set(sites)
        if strangers or len(entry["ends"]) != len({*entry["ends"]}) or len(entry["ends"]) != 2:  # noqa: PLR2004
            raise InventoryError(f"lab_links: {entry['ends']} must name two of the sites {sorted(sites)}")
        quality = {key: entry.get(key, defaults.get(key, 0)) for key in LinkQuality.__dataclass_fields__}
        first, second = entry["ends"]
        links.append(Link((first, second), Network(entry["subnet"]), LinkQuality(**quality)))
    return tuple(links)


def _check_addresses(sites: Mapping[str, Site], hosts: Mapping[str, Host]) -> None:
    seen: dict[Address, str] = {site.gateway: f"gateway of {site.name}" for site in sites.values()}
    seen |= {site.entry_address: f"entry of {site.name}" for site in sites.values() if site.entry_address}
    for host in hosts.values():
        if host.address not in sites[host.site].subnet:
            raise InventoryError(
                f"host {host.name}: {host.address} lies outside {host.site}'s {sites[host.site].subnet}"
            )
        if host.address in seen:
            raise InventoryError(f"host {host.name}: address {host.address} is taken by {seen[host.address]}")
        seen[host.address] = f"host {host.name}"

"""What is found of the lab on this machine: hosts, links as they are now, what is broken on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.command import CommandError
from infra.lab import Lab, LabDownError
from infra.topology import Link, LinkQuality
from infra.wan import WanError


@dataclass(frozen=True)
class HostStatus:
    """What is found of one host."""

    name: str
    site: str
    address: str
    on: bool
    frozen: bool


@dataclass(frozen=True)
class LinkStatus:
    """A link's quality in the inventory, and the one found now; `live` None when it cannot be asked for."""

    name: str
    nominal: LinkQuality
    live: LinkQuality | None


@dataclass(frozen=True)
class LabStatus:
    """What is found on this machine; `faults` holds what is broken on purpose."""

    up: bool
    wan: str | None
    storage: str | None
    checkout: str | None
    hosts: tuple[HostStatus, ...]
    links: tuple[LinkStatus, ...]
    faults: tuple[str, ...]


def status_of(lab: Lab) -> LabStatus:
    """Look at everything; breaks and changes nothing."""
    record, up = _record(lab), lab.is_up
    hosts = tuple(
        HostStatus(m.host.name, m.host.site, str(m.host.address), m.is_on, m.is_frozen) for m in lab.machines
    )
    links = tuple(
        LinkStatus(link.name, link.quality, _live(lab, link) if up else None) for link in lab.estate.links
    )
    faults = tuple(fault.describe() for fault in lab.book.read())
    return LabStatus(
        up, record.get("wan"), record.get("storage"), record.get("checkout"), hosts, links, faults
    )


def _record(lab: Lab) -> Mapping[str, str]:
    try:
        return lab.record()
    except LabDownError:
        return {}


def _live(lab: Lab, link: Link) -> LinkQuality | None:
    try:
        return lab.wan.quality(link)
    except (WanError, CommandError, OSError):  # mostly: the one who asks is not root
        return None

"""Cuts and isolations as rulesets of the routers. Pure: faults in, nftables text out.

A cut drops what arrives from the link before anything else looks at it, or answers it; an isolation drops
at the host's port of the site's bridge, past the host's own firewall. Silence keeps ARP: an address that no
longer resolves is an error at once, not silence. The operator's management network always passes.
"""

from __future__ import annotations

from collections.abc import Iterable

from infra.faults import Direction, Fault, Freeze, Isolation, LinkCut, Manner, PowerCut
from infra.network import link_device, port_device
from infra.power import PORT as POWER_SWITCH
from infra.topology import Estate, Host


def rulesets(estate: Estate, faults: Iterable[Fault]) -> dict[str, str]:
    """For each site, the ruleset that makes its router do what the faults say; no fault, no rule."""
    listed = list(faults)
    return {site: _ruleset(estate, site, listed) for site in estate.sites}


def _ruleset(estate: Estate, site: str, faults: list[Fault]) -> str:
    cuts = [rule for fault in faults if isinstance(fault, LinkCut) for rule in _cut(site, fault)]
    ports = [chain for fault in faults for chain in _shut_ports(estate, site, fault)]
    return "\n".join(
        [
            # Declared first so that deleting works whether or not an earlier ruleset was loaded.
            "table inet lab_cuts",
            "delete table inet lab_cuts",
            "table netdev lab_ports",
            "delete table netdev lab_ports",
            "table inet lab_cuts {",
            "  chain arriving { type filter hook prerouting priority -300; policy accept;",
            *(f"    {rule}" for rule in cuts if "reject" not in rule),
            "  }",
            "  chain leaving { type filter hook forward priority -300; policy accept;",
            *(f"    {rule}" for rule in cuts if "reject" in rule),
            "  }",
            "  chain power_switch { type filter hook input priority -300; policy accept;",
            *([f"    tcp dport {POWER_SWITCH} drop"] if _is_dark(estate, site, faults) else []),
            "  }",
            "}",
            "table netdev lab_ports {",
            *ports,
            "}",
            "",
        ]
    )


def _is_dark(estate: Estate, site: str, faults: list[Fault]) -> bool:
    """Every server of the site is without power: then its management controllers are, too."""
    off = {host for fault in faults if isinstance(fault, PowerCut) for host in fault.hosts}
    servers = {host.name for host in estate.hosts_at(site) if host.boots}
    return bool(servers) and servers <= off


def _cut(site: str, fault: LinkCut) -> list[str]:
    """The rules of one router: silence is made by the receiver, rejection by the sender's router."""
    if site not in fault.ends:
        return []
    one, other = fault.ends
    peer = other if site == one else one
    sends = fault.direction is Direction.BOTH or (fault.direction is Direction.FORWARD) == (site == one)
    receives = fault.direction is Direction.BOTH or not sends
    if fault.manner is Manner.SILENCE:
        return [f'iifname "{link_device(peer)}" drop'] if receives else []
    if not sends:
        return []
    device = link_device(peer)
    return [
        f'oifname "{device}" meta l4proto tcp reject with tcp reset',
        f'oifname "{device}" reject with icmp type admin-prohibited',
    ]


def _shut_ports(estate: Estate, site: str, fault: Fault) -> list[str]:
    """The chains of one router's ports: an isolated host keeps ARP and its operator, a dead one nothing."""
    if isinstance(fault, Freeze | PowerCut):
        hosts = [host for host in map(estate.host, fault.hosts) if host.site == site]
        return [_port_chain(host, hook, "") for host in hosts for hook in ("ingress", "egress")]
    if not isinstance(fault, Isolation) or estate.host(fault.host).site != site:
        return []
    host, operator = estate.host(fault.host), estate.management
    chains = []
    if fault.direction is not Direction.BACKWARD:
        chains.append(_port_chain(host, "ingress", f"ether type arp accept; ip daddr {operator} accept;"))
    if fault.direction is not Direction.FORWARD:
        chains.append(_port_chain(host, "egress", f"ether type arp accept; ip saddr {operator} accept;"))
    return chains


def _port_chain(host: Host, hook: str, exceptions: str) -> str:
    port, name = port_device(host), f"{hook}_{host.address.packed[-1]}"
    return (
        f'  chain {name} {{ type filter hook {hook} device "{port}" priority 0; policy drop; {exceptions} }}'
    )

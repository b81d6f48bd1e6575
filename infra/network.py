"""The lab's network: a namespace for each host and each site's router, bridged and routed.

    outer machine ── management link ──► router of each site ── bridge ── hosts of the site
                                          router ── link (see infra.wan) ── router of another site

Routers have no default route and forward nothing between management and links, and the outer machine holds
an unreachable route for the lab's supernet: what is not for a lab host goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from infra.command import CommandError, run
from infra.mounts import mounts
from infra.topology import Address, Estate, Host, Network, Site

PREFIX = "tw-"
NAMESPACES = Path("/run/netns")
MANAGEMENT_DEVICE = "mgmt"
_NFT_ATTEMPTS = 3
# Worse than any real route, so that it holds only while the lab's own routes are away.
_LAST_RESORT_METRIC = 4294967295


class NetworkError(Exception):
    """The lab's addresses collide with the outer machine's."""


def router_namespace(site: str) -> str:
    return f"{PREFIX}rt-{site}"


def host_namespace(host: str) -> str:
    return f"{PREFIX}{host}"


def link_device(peer_site: str) -> str:
    """The name of a link's device in a router: the site at the other end."""
    return f"l-{peer_site}"


def port_device(host: Host) -> str:
    """The name of a host's port on its site's bridge; the last octet keeps it within 15 characters."""
    return f"p-{host.address.packed[-1]}"


def management_subnet(estate: Estate, site: str) -> Network:
    """The /30 of a site's management link: outer machine first, router second."""
    assert estate.management is not None, "the lab's inventory sets lab_management_subnet"
    index = list(estate.sites).index(site)
    return list(estate.management.subnets(new_prefix=30))[index]


def management_address(estate: Estate, site: str) -> Address:
    return management_subnet(estate, site)[1]


def existing_namespaces() -> tuple[str, ...]:
    """The lab's namespaces that have a name on this machine, live or stale."""
    if not NAMESPACES.is_dir():
        return ()
    return tuple(sorted(path.name for path in NAMESPACES.iterdir() if path.name.startswith(PREFIX)))


def up(estate: Estate) -> None:
    """Make every namespace, bridge, port and route that is missing; links between routers: `infra.wan`.

    Raises:
        NetworkError: the supernet is in use on this machine.
        CommandError: the kernel refused a step.
    """
    _refuse_collision(estate)
    _ip(None, [f"route replace unreachable {estate.supernet} metric {_LAST_RESORT_METRIC}"])
    there = set(existing_namespaces())
    for site in estate.sites.values():
        if router_namespace(site.name) not in there:
            _make_router(estate, site)
        for host in estate.hosts_at(site.name):
            if host_namespace(host.name) not in there:
                _make_host(site, host)


def route_links(estate: Estate) -> None:
    """Address the routers' ends of the links and route the sites over them; run after `wan.up`."""
    for site in estate.sites.values():
        lines = []
        for link in (link for link in estate.links if site.name in link.ends):
            peer = link.peer_of(site.name)
            device = link_device(peer)
            lines += [
                f"addr replace {link.address_of(site.name)}/30 dev {device}",
                f"link set {device} up",
                f"route replace {estate.sites[peer].subnet} via {link.address_of(peer)} dev {device}",
            ]
        _ip(router_namespace(site.name), lines)


def down(estate_supernet: Network | None = None) -> None:
    """Remove every namespace of the lab (devices go with them), and the route of last resort."""
    for namespace in existing_namespaces():
        run(["ip", "netns", "delete", namespace], check=False)
        # A name whose namespace died with an earlier boot of the machine is a plain file.
        (NAMESPACES / namespace).unlink(missing_ok=True)
    _unmount_namespaces()
    for supernet in _routes_of_last_resort() if estate_supernet is None else [str(estate_supernet)]:
        run(["ip", "route", "del", "unreachable", supernet, "metric", str(_LAST_RESORT_METRIC)], check=False)


def _unmount_namespaces() -> None:
    """`ip netns add` mounts the directory upon itself once, and nothing ever undoes that."""
    if NAMESPACES in {mount.point for mount in mounts()} and not any(NAMESPACES.iterdir()):
        run(["umount", str(NAMESPACES)], check=False)


def _routes_of_last_resort() -> list[str]:
    lines = run(["ip", "route", "show", "type", "unreachable"]).stdout.splitlines()
    return [line.split()[1] for line in lines if f"metric {_LAST_RESORT_METRIC}" in line]


def inside(namespace: str, argv: Iterable[str]) -> list[str]:
    """The command line that runs a program in a namespace."""
    return ["ip", "netns", "exec", namespace, *argv]


def nft(namespace: str, ruleset: str) -> None:
    """Load a ruleset in a namespace, all or nothing.

    nft 1.0.6 sometimes dies of SIGSEGV while it reads the rules that are there (seen twice, in hundreds of
    calls); as a ruleset is loaded whole or not at all, it may be given again.

    Raises:
        CommandError: nft refused it, or died each time.
    """
    argv = inside(namespace, ["nft", "-f", "-"])
    for _ in range(_NFT_ATTEMPTS - 1):
        if run(argv, stdin=ruleset, check=False).returncode == 0:
            return
    run(argv, stdin=ruleset)


def _refuse_collision(estate: Estate) -> None:
    assert estate.supernet is not None, "the lab's inventory sets lab_supernet"
    for line in run(["ip", "-4", "-oneline", "addr"]).stdout.splitlines():
        _, device, _, address, *_ = line.split()
        held = Network(address, strict=False)
        if held.overlaps(estate.supernet) and not device.startswith(PREFIX):
            raise NetworkError(
                f"{device} of this machine has {address}, inside the lab's {estate.supernet}; "
                "choose another lab_supernet (and subnets) in the inventory"
            )


def _make_router(estate: Estate, site: Site) -> None:
    namespace = router_namespace(site.name)
    management = management_subnet(estate, site.name)
    outer_device = f"{PREFIX}{site.name}"
    run(["ip", "netns", "add", namespace])
    _settle(namespace, "net.ipv4.ip_forward=1")
    _ip(
        None,
        [
            f"link add {outer_device} type veth peer name {MANAGEMENT_DEVICE} netns {namespace}",
            f"addr replace {management[1]}/30 dev {outer_device}",
            f"link set {outer_device} up",
            f"route replace {site.subnet} via {management[2]} dev {outer_device}",
        ],
        early=1,
    )
    _ip(
        namespace,
        [
            "link set lo up",
            "link add br0 type bridge",
            f"addr replace {site.gateway}/{site.subnet.prefixlen} dev br0",
            "link set br0 up",
            f"addr replace {management[2]}/30 dev {MANAGEMENT_DEVICE}",
            f"link set {MANAGEMENT_DEVICE} up",
        ],
    )
    nft(namespace, _NO_TRANSIT)


_NO_TRANSIT = f"""
table inet lab {{
    chain forward {{
        type filter hook forward priority 0; policy accept;
        iifname "{MANAGEMENT_DEVICE}" oifname "l-*" drop
        iifname "l-*" oifname "{MANAGEMENT_DEVICE}" drop
    }}
}}
"""


def _make_host(site: Site, host: Host) -> None:
    namespace, router = host_namespace(host.name), router_namespace(site.name)
    port = port_device(host)
    run(["ip", "netns", "add", namespace])
    _settle(namespace)
    _ip(None, [f"link add eth0 netns {namespace} type veth peer name {port} netns {router}"])
    _ip(router, [f"link set {port} master br0", f"link set {port} up"])
    _ip(
        namespace,
        [
            "link set lo up",
            f"addr replace {host.address}/{site.subnet.prefixlen} dev eth0",
            "link set eth0 up",
            f"route replace default via {site.gateway}",
        ],
    )


def _settle(namespace: str, *settings: str) -> None:
    quiet = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]
    run(inside(namespace, ["sysctl", "-qw", *quiet, *settings]))


def _ip(namespace: str | None, lines: list[str], *, early: int = 0) -> None:
    """Run a batch of `ip` commands; the first `early` ones on their own: the rest needs their devices."""
    where = ["-netns", namespace] if namespace else []
    for line in lines[:early]:
        run(["ip", *where, *line.split()])
    if lines[early:]:
        run(["ip", *where, "-batch", "-"], stdin="\n".join(lines[early:]) + "\n")


def processes_inside() -> set[int]:
    """The processes of every namespace of the lab: nothing else on the machine can be among them."""
    pids: set[int] = set()
    for namespace in existing_namespaces():
        try:
            found = run(["ip", "netns", "pids", namespace]).stdout
        except CommandError:  # a stale name: nobody can live there
            continue
        pids.update(int(pid) for pid in found.split())
    return pids

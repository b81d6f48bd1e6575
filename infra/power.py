"""Starting the lab's power switches (`infra.power_switch`), one for each data site."""

from __future__ import annotations

import sys
from pathlib import Path

from infra import paths
from infra.command import spawn
from infra.network import router_namespace
from infra.topology import Estate, SiteKind

PORT = 7406


def start_missing(estate: Estate, directory: Path) -> None:
    """Start the switch of each data site that has none; they end with the lab's other processes."""
    directory.mkdir(parents=True, exist_ok=True)
    for site in (site.name for site in estate.sites.values() if site.kind is SiteKind.DATA):
        pid_file = directory / f"{site}.pid"
        if not _runs(pid_file):
            pid_file.write_text(str(_start(estate, site, directory)))


def _start(estate: Estate, site: str, directory: Path) -> int:
    """Its pid. Not by `ip netns exec`, which hides /sys/fs/cgroup, by which a host's processes are known."""
    inside = ["nsenter", f"--net=/run/netns/{router_namespace(site)}"]
    program = [sys.executable, "-m", "infra.power_switch", str(estate.inventory), site]
    settings = {"PYTHONPATH": str(paths.CHECKOUT), "TWINSITE_HOME": str(paths.home())}
    with (directory / f"{site}.log").open("ab") as log:
        return spawn([*inside, *program], env=settings, cwd=paths.CHECKOUT, stdout=log, new_session=True).pid


def _runs(pid_file: Path) -> bool:
    try:
        words = Path(f"/proc/{int(pid_file.read_text())}/cmdline").read_text()
    except (OSError, ValueError):
        return False
    return "infra.power_switch" in words

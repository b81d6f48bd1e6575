"""A lab comes and goes, and the machine is as it was; also when the lab was broken, killed or another's."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infra import cgroups, network, paths, processes
from infra.command import run
from infra.faults import Degradation, DiskFull, Fault, Freeze, Isolation, LinkCut, PowerCut
from infra.lab import Lab
from infra.leftovers import labs_by_mounts
from infra.mounts import mounts
from infra.secrets import SecretStore
from infra.topology import Estate, LinkQuality, load_estate
from tests.lab.waiting import until

# The first lab of a machine builds the image.
pytestmark = [pytest.mark.bare, pytest.mark.timeout(1200)]

_PROC = Path("/proc")
_EVERY_KIND: tuple[Fault, ...] = (
    PowerCut(("wit-zk1",)),
    Freeze(("dc1-app1",)),
    DiskFull("dc1-db1"),
    Isolation("dc2-app1"),
    LinkCut(("dc1", "dc2")),
    Degradation(("dc1", "wit"), LinkQuality(delay_ms=50)),
)


@dataclass(frozen=True)
class Machine:
    """What a lab could leave on this machine. Other people's processes come and go; those of a lab are told
    by their network namespace, by their cgroup, or by the lab's directory among their words."""

    processes: frozenset[str]
    namespaces: str
    mounts: tuple[tuple[str, str], ...]
    devices: str
    addresses: str
    routes: str
    rules: str
    loops: str
    groups: tuple[str, ...]
    kernel: tuple[str, ...]


def look(*directories: Path) -> Machine:
    return Machine(
        processes=frozenset(_processes(directories)),
        namespaces=_told("ip", "netns", "list"),
        mounts=tuple((str(mount.point), mount.kind) for mount in mounts()),
        devices=_told("ip", "-brief", "link"),
        addresses=_told("ip", "-brief", "addr"),
        # What the machine's own network tells of itself ends by a clock of its own.
        routes=re.sub(r" expires \d+sec", "", _told("ip", "route", "show", "table", "all")),
        rules=_told("nft", "list", "tables"),
        loops=_told("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"),
        groups=tuple(sorted(_groups())),
        kernel=tuple(
            Path("/proc/sys/net/ipv4", name).read_text() for name in ("ip_forward", "conf/all/forwarding")
        ),
    )


def as_found(before: Machine, *directories: Path) -> None:
    """The kernel gives back in its own time what nobody uses any more: loop devices, groups, namespaces."""

    def the_same() -> None:
        assert look(*directories) == before

    until(the_same)


def _groups() -> Iterator[str]:
    """By os.walk: other people's groups vanish while one looks, which Path.glob takes for an error."""
    for place, below, _ in os.walk("/sys/fs/cgroup"):
        yield from (str(Path(place, name)) for name in below if name.startswith("twinsite"))


def _told(*argv: str) -> str:
    return run(argv).stdout


def _processes(directories: tuple[Path, ...]) -> Iterator[str]:
    here = _link(_PROC / "self/ns/net")
    for directory in _PROC.glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            group = (directory / "cgroup").read_text()
            space = _link(directory / "ns/net")
        except OSError:  # it has ended meanwhile
            continue
        if space not in {here, ""} or "/twinsite" in group or any(str(each) in words for each in directories):
            yield f"{directory.name} {words}"


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load_estate(paths.CHECKOUT / "inventory/lab")


@pytest.fixture
def homes() -> Iterator[tuple[Path, Path]]:
    """This machine's TWINSITE_HOME, and somebody else's; both have the same images."""
    if os.geteuid() != 0:
        pytest.skip("booting a lab needs root")
    if network.existing_namespaces() or labs_by_mounts(mounts()):
        pytest.skip("a lab is up: it is not taken away for a test")
    paths.images().mkdir(parents=True, exist_ok=True)
    # Beside the real one: vde2's sockets need short paths.
    with TemporaryDirectory(prefix="twinsite-", dir=paths.home().parent) as other:
        (Path(other) / "images").symlink_to(paths.images())
        _twinsite(paths.home(), "lab", "down")  # what `ip netns` once left on its own
        yield paths.home(), Path(other)
        _twinsite(paths.home(), "lab", "down")


def _twinsite(home: Path, *argv: str) -> str:
    tool = str(Path(sys.executable).with_name("twinsite"))
    return run([tool, *argv], timeout=900, env={"TWINSITE_HOME": str(home)}).stdout


def _boot(estate: Estate, home: Path) -> Lab:
    _twinsite(home, "lab", "up")
    return Lab(estate, paths.CHECKOUT, home / "lab")


def _keep_a_connection_open(lab: Lab) -> None:
    """As Ansible does with ControlPersist, in the place that provisioning names to it."""
    control = paths.ssh_connections(lab.directory)
    control.mkdir()
    options = ["ControlMaster=auto", "ControlPersist=600", f"ControlPath={control / '0123456789'}"]
    ssh = ["ssh", "-F", str(lab.ssh_config), *(word for each in options for word in ("-o", each))]
    until(lambda: run([*ssh, "dc2-db1", "true"]))
    assert (control / "0123456789").is_socket()


def _break(lab: Lab) -> None:
    _keep_a_connection_open(lab)
    lab.inject(_EVERY_KIND)


def _kill_everything(lab: Lab) -> None:
    """Leave mounts, namespaces and files without a single process."""
    cgroups.thaw_all()
    assert not processes.kill_all(lambda: cgroups.all_processes() | network.processes_inside(), deadline_s=60)


def _forget(lab: Lab) -> None:
    (lab.directory / "lab.json").unlink()


@pytest.mark.parametrize("harm", [_break, _kill_everything, _forget], ids=lambda harm: harm.__name__)
def test_down_leaves_the_machine_as_up_found_it(
    estate: Estate, homes: tuple[Path, Path], harm: Callable[[Lab], None]
) -> None:
    home, _ = homes
    before = look(home / "lab")
    lab = _boot(estate, home)
    assert look(home / "lab") != before
    harm(lab)
    _twinsite(home, "lab", "down")
    as_found(before, home / "lab")
    assert not (home / "lab").exists()


def test_down_clears_a_dead_lab_of_another_home(estate: Estate, homes: tuple[Path, Path]) -> None:
    home, other = homes
    before = look(home / "lab", other / "lab")
    _kill_everything(_boot(estate, other))
    _twinsite(home, "lab", "down")
    as_found(before, home / "lab", other / "lab")
    assert not (other / "lab").exists()
    assert SecretStore(other / "secrets" / estate.name).ssh_key.exists()

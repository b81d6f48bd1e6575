"""The hosts' file system: one Debian 13 with every role's packages, and a layer for each Python environment.

A layer is a directory named by the hash of what went into it, so that an unchanged one is never built
again, and a change of one lock file builds one small layer instead of everything. A host mounts all of them
read-only under an overlay of its own (see `infra.hosts`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from infra.command import CommandError, run, stream

RELEASE = "trixie"
PYTHON_PLACES = ("patroni", "crm", "agent")
_STAMP = ".lock-sha256"
_BUILD_TIMEOUT_S = 1200.0

# Raised when a recipe below changes what a layer holds.
_RECIPE = 2

# The lab's image holds every role's packages; a role enables on its hosts what they need.
_DISABLED_UNITS = (
    "haproxy.service",
    "keepalived.service",
    "pgbouncer.service",
    "zookeeper.service",
    "postgresql.service",
    "nftables.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-timesyncd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "logrotate.timer",
)

Progress = Callable[[str], None]


class ImageError(Exception):
    """The image could not be built; the message says which step and what helps."""


@dataclass(frozen=True)
class Layer:
    """A directory of the image; complete when it exists under its final name."""

    name: str
    directory: Path

    @property
    def is_built(self) -> bool:
        return self.directory.is_dir()


@dataclass(frozen=True)
class Recipe:
    """What goes into the image: the packages, and a lock file for each Python environment."""

    packages: tuple[str, ...]
    locks: Mapping[str, Path]

    @classmethod
    def of_checkout(cls, checkout: Path) -> Recipe:
        """Read the packages from the roles' list and the locks from `locks/`."""
        listed = yaml.safe_load((checkout / "playbooks/vars/packages.yml").read_text())
        packages = tuple(sorted({package for group in listed.values() for package in group}))
        return cls(packages, {place: checkout / f"locks/{place}.txt" for place in PYTHON_PLACES})


@dataclass(frozen=True)
class Image:
    """The layers of a recipe below one directory, base first."""

    recipe: Recipe
    store: Path

    @property
    def base(self) -> Layer:
        key = _digest(str(_RECIPE), RELEASE, *self.recipe.packages, *_DISABLED_UNITS)
        return Layer("debian", self.store / f"debian-{key}")

    @property
    def python_layers(self) -> tuple[Layer, ...]:
        base = self.base.directory.name
        return tuple(
            Layer(place, self.store / f"{place}-{_digest(base, lock.read_text())}")
            for place, lock in self.recipe.locks.items()
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (self.base, *self.python_layers)

    @property
    def is_built(self) -> bool:
        return all(layer.is_built for layer in self.layers)

    @property
    def lower_directories(self) -> str:
        """The value of overlayfs' `lowerdir`: topmost first."""
        return ":".join(str(layer.directory) for layer in reversed(self.layers))

    def build(self, progress: Progress) -> None:
        """Build the layers that are missing. Interrupted builds leave nothing under a final name.

        Raises:
            ImageError: a package or a wheel could not be had, or the disk is full.
        """
        self.store.mkdir(parents=True, exist_ok=True)
        self._clear_unfinished()
        try:
            if not self.base.is_built:
                _build_base(self.recipe, self.base, progress)
            for layer in self.python_layers:
                if not layer.is_built:
                    _build_python_layer(self.base, layer, self.recipe.locks[layer.name], progress)
        except CommandError as error:
            raise ImageError(
                f"the host image could not be built: {error}\n"
                "Check that Debian's mirror and the Python package index answer from here, then repeat."
            ) from error

    def prune(self) -> tuple[Path, ...]:
        """Remove the layers that this recipe no longer uses; for a lab that is down. Returns what went."""
        kept = {layer.directory for layer in self.layers}
        stale = tuple(path for path in self.store.glob("*-*") if path not in kept)
        for path in stale:
            shutil.rmtree(path)
        return stale

    def _clear_unfinished(self) -> None:
        for leftover in self.store.glob("*.building"):
            for mounted in _mounts_below(leftover):
                run(["umount", "--lazy", str(mounted)], check=False)
            shutil.rmtree(leftover)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _mounts_below(directory: Path) -> list[Path]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [Path(line.split()[1]) for line in lines]
    return sorted((point for point in points if point.is_relative_to(directory)), reverse=True)


def _build_base(recipe: Recipe, layer: Layer, progress: Progress) -> None:
    """Run mmdebstrap for the release with all packages; Debian's own mirror, as the tool knows it."""
    building = layer.directory.with_name(layer.directory.name + ".building")
    root = building / "root"
    root.mkdir(parents=True)
    progress(f"image: Debian {RELEASE} with {len(recipe.packages)} packages (about a minute and a half)")
    settings = "$1/etc/postgresql-common"
    for line in stream(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(recipe.packages)}",
            "--aptopt=APT::Install-Recommends false",
            "--aptopt=Acquire::Retries 3",
            # Debian's keys may be absent or old on the outer machine; the ones here verify the release.
            *_keyring_option(),
            f"--essential-hook=mkdir -p {settings}",
            f"--essential-hook=echo create_main_cluster=false > {settings}/createcluster.conf",
            RELEASE,
            str(root),
        ],
        timeout=_BUILD_TIMEOUT_S,
    ):
        if step := _milestone(line):
            progress(f"image: {step}")
    _neutralise(root)
    root.rename(layer.directory)
    building.rmdir()


def _keyring_option() -> list[str]:
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    return [f"--keyring={keyring}"] if keyring.exists() else []


def _milestone(line: str) -> str | None:
    """Take mmdebstrap's own `I:` lines, without its decoration."""
    found = re.match(r"I: (?:running )?(.*)", line)
    return found.group(1) if found else None


def _neutralise(root: Path) -> None:
    """Take identity out of the image: each host makes its own at its first boot."""
    for path in (*root.glob("etc/ssh/ssh_host_*"), root / "etc/resolv.conf", root / "etc/hostname"):
        path.unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    for unit in _DISABLED_UNITS:
        run(["systemctl", f"--root={root}", "disable", unit], check=False)
    # No session manager for root at SSH logins: nine of them start with every provision, for nothing.
    _in_root(
        root, ["pam-auth-update", "--package", "--disable", "systemd"], {"DEBIAN_FRONTEND": "noninteractive"}
    )
    run(["systemctl", f"--root={root}", "enable", "ssh.service"])
    run(["systemctl", f"--root={root}", "set-default", "multi-user.target"])


def _build_python_layer(base: Layer, layer: Layer, lock: Path, progress: Progress) -> None:
    """Install one lock into `/opt/twinsite/PLACE/venv`, built by the hosts' own Python."""
    place = layer.name
    progress(f"image: Python environment {place}")
    building = layer.directory.with_name(layer.directory.name + ".building")
    with _overlay(base.directory, building) as root:
        venv = f"/opt/twinsite/{place}/venv"
        (root / "tmp/lock.txt").write_text(lock.read_text())
        with _outer_trust(root) as environment:
            _in_root(root, ["python3", "-m", "venv", venv], environment)
            _in_root(
                root,
                [f"{venv}/bin/pip", "install", "--require-hashes", "--no-cache-dir", "-r", "/tmp/lock.txt"],  # noqa: S108
                environment,
            )
        _in_root(root, [f"{venv}/bin/python", "-m", "compileall", "-q", venv], {}, check=False)
        (root / "tmp/lock.txt").unlink()
        stamp = hashlib.sha256(lock.read_bytes()).hexdigest()
        (root / venv.lstrip("/") / _STAMP).write_text(stamp + "\n")
    (building / "upper").rename(layer.directory)
    shutil.rmtree(building)


@contextmanager
def _overlay(lower: Path, building: Path) -> Iterator[Path]:
    """A writable view of a layer; what was written is `building/upper` afterwards."""
    upper, work, root = building / "upper", building / "work", building / "root"
    for directory in (upper, work, root):
        directory.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)])
    try:
        yield root
    finally:
        run(["umount", str(root)])


@contextmanager
def _outer_trust(root: Path) -> Iterator[dict[str, str]]:
    """Lend the outer machine's name service, certificate bundle and pip settings; nothing of it stays.

    Python 3.13 verifies through the system store, hence SSL_CERT_FILE beside PIP_CERT (shared/facts.md).
    """
    lent = {
        "etc/resolv.conf": Path("/etc/resolv.conf"),
        "tmp/outer-ca.pem": Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")),
        "tmp/outer-pip.conf": Path("/etc/pip.conf"),
    }
    environment = {key: value for key, value in os.environ.items() if _is_network_setting(key)}
    for inside, outside in lent.items():
        if outside.exists():
            shutil.copyfile(outside, root / inside)
    environment |= {
        "SSL_CERT_FILE": "/tmp/outer-ca.pem",  # noqa: S108
        "PIP_CERT": "/tmp/outer-ca.pem",  # noqa: S108
        "PIP_CONFIG_FILE": "/tmp/outer-pip.conf",  # noqa: S108
    }
    try:
        yield environment
    finally:
        for inside in lent:
            (root / inside).unlink(missing_ok=True)


def _is_network_setting(key: str) -> bool:
    folded = key.lower()
    return folded.endswith("_proxy") or folded in {
        "pip_index_url",
        "pip_extra_index_url",
        "pip_default_timeout",
    }


def _in_root(root: Path, argv: list[str], environment: Mapping[str, str], *, check: bool = True) -> None:
    settings = [f"{key}={value}" for key, value in environment.items()]
    base = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
    run(["chroot", str(root), "env", "-i", *base, *settings, *argv], timeout=_BUILD_TIMEOUT_S, check=check)

"""A database host's disk of its own, which can be filled to the brim without harm to the machine.

On this machine's disk it is an ext4 image behind a loop device; in memory it is a tmpfs. Behind a loop device
each sync waits for a worker of the kernel's, and on a machine whose processors are all taken that one goes
after every process of the lab, whose groups weigh more (`scheduling`): tasks waited for "input and output" a
third of the time, for a disk that was memory (/proc/pressure/io), promotions and commits among them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from infra.command import run
from infra.mounts import mounts

_BALLAST = ".ballast"


@dataclass(frozen=True)
class Volume:
    """The volume of the host whose file system lies in `directory`; `size_gib` at most."""

    directory: Path
    size_gib: int

    @property
    def point(self) -> Path:
        """Where this machine has it mounted."""
        return self.directory / "volume"

    def prepare(self) -> None:
        """Make and mount it. Repeatable."""
        self.point.mkdir(exist_ok=True)
        if os.path.ismount(self.point):
            return
        if _is_tmpfs(self.directory.parent):
            run(["mount", "-t", "tmpfs", "-o", f"size={self._share()},mode=755", "twinsite", str(self.point)])
        else:
            run(["mount", "-o", "loop", str(self._image()), str(self.point)])

    def fill(self) -> None:
        """Leave not a block free. In memory the limit comes down to what is used: ballast would be real."""
        if _is_tmpfs(self.point):
            self._limit_to_what_is_used()
            return
        free = os.statvfs(self.point)
        ballast = self.point / _BALLAST
        run(["fallocate", "-l", str(free.f_bfree * free.f_frsize), str(ballast)], check=False)
        run(["dd", "if=/dev/zero", f"of={ballast}.rest", "bs=4k", "count=262144"], check=False)

    def empty(self) -> None:
        """Take back what `fill` did. Repeatable."""
        if _is_tmpfs(self.point):
            self._limit(self._share())
        for ballast in self.point.glob(f"{_BALLAST}*"):
            ballast.unlink()

    def _limit_to_what_is_used(self) -> None:
        """The kernel refuses a limit below what is used, and a server may write between look and limit."""
        for last in (False,) * 9 + (True,):
            now = os.statvfs(self.point)
            if self._limit((now.f_blocks - now.f_bfree) * now.f_frsize, check=last):
                return

    def _limit(self, size: int, *, check: bool = True) -> bool:
        return run(["mount", "-o", f"remount,size={size}", str(self.point)], check=check).returncode == 0

    def _share(self) -> int:
        """Bytes: as much as the file system of all hosts may take (`storage.prepare` divides the memory)."""
        all_hosts = os.statvfs(self.directory.parent)
        return min(self.size_gib << 30, all_hosts.f_blocks * all_hosts.f_frsize)

    def _image(self) -> Path:
        """Made under another name: an interrupted mkfs leaves nothing that looks whole."""
        disk = self.directory / "volume.ext4"
        if not disk.exists():
            making = disk.with_suffix(".making")
            with making.open("wb") as file:
                file.truncate(self.size_gib << 30)
            run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(making)])
            making.rename(disk)
        return disk


def _is_tmpfs(point: Path) -> bool:
    """Whether a tmpfs is mounted just there, and nothing over it."""
    place = point.resolve()
    return next((mount.kind for mount in reversed(mounts()) if mount.point == place), "") == "tmpfs"

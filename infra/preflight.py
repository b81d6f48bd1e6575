"""Whether this machine can hold a lab."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from infra.storage import available_gib

# What a lab with some drills behind it takes.
_DISK_GIB = 6
_MEMORY_GIB = 3


class TooSmallError(Exception):
    """The machine lacks something that the lab needs."""


def refuse_a_full_machine(home: Path, progress: Callable[[str], None]) -> None:
    """Say that the machine is too small before it shows in a host that does not boot.

    Raises:
        TooSmallError: not enough disk.
    """
    home.mkdir(parents=True, exist_ok=True)
    free_gib = shutil.disk_usage(home).free / 2**30
    if free_gib < _DISK_GIB:
        raise TooSmallError(
            f"{home} has {free_gib:.1f} GiB free, the lab needs {_DISK_GIB}; set TWINSITE_HOME elsewhere"
        )
    if available_gib() < _MEMORY_GIB:
        progress(
            f"warning: less than {_MEMORY_GIB} GiB of memory available; hosts may be slow or fail to boot"
        )

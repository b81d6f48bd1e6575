"""When a primary that stops has nothing more to say, which is before its postmaster has ended.

Once the shutdown checkpoint is written and confirmed, PostgreSQL waits only for the processes that tell those
who connect that it shuts down. Its own standbys do so at once, with a TLS handshake each: 0.03 s of a switch
on idle cores, 0.12 s on busy ones (docs/decisions/0211-the-last-word.md).
"""

import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from patroni_changes.waking import has_ended

POLL_S = 0.01
# ControlFileData and DBState of pg_control.h: behind the system's identifier and two versions.
_STATE = struct.Struct("=16xi")
_SHUT_DOWN = 1


def has_said_all(postmaster: psutil.Process, data_directory: str, within_s: float) -> bool:
    """Whether it can write no more and each standby that is connected has confirmed all, or it has ended."""
    until = time.monotonic() + within_s
    while not _is_shut_down(Path(data_directory)):
        if has_ended(postmaster.pid, POLL_S):
            return True
        if time.monotonic() > until:
            return False
    return all(has_ended(sender, max(0.0, until - time.monotonic())) for sender in _senders(postmaster))


def _is_shut_down(data_directory: Path) -> bool:
    """PostgreSQL says so in the moment after which nothing may be written, not even by itself."""
    try:
        with (data_directory / "global" / "pg_control").open("rb") as control:
            (state,) = _STATE.unpack(control.read(_STATE.size))
    except (OSError, struct.error):
        return False
    return bool(state == _SHUT_DOWN)


def _senders(postmaster: psutil.Process) -> Iterator[int]:
    """Each ends when its standby has confirmed the shutdown checkpoint, or is gone; no new one is let in."""
    with suppress(psutil.NoSuchProcess):
        for child in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                if any("walsender" in title for title in child.cmdline()):
                    yield child.pid

"""Processor time, which a busy machine disturbs far less than it disturbs rates. Read from Linux's /proc.

`schedstat` counts what the scheduler gave a thread, in nanoseconds, waiting not included. A thread that has
ended is no longer counted; nothing that is measured here ends threads or sessions during a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.devserver import CrmDatabase

_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE usename = %s AND datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Used:
    """Seconds of processor time: of a server's process, and of its sessions in PostgreSQL."""

    server_s: float
    database_s: float

    def __sub__(self, earlier: Used) -> Used:
        return Used(self.server_s - earlier.server_s, self.database_s - earlier.database_s)


def of_process(pid: int) -> float:
    """Seconds that all threads of a process had the processor. Raises OSError: there is no such process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def of_sessions(admin_url: str, user: str) -> float:
    """The same of the sessions that a user has open in this database."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        pids = [int(row[0]) for row in connection.execute(_SESSIONS, (user,))]
    return sum(map(of_process, pids))


def peak_memory_mib() -> float:
    """The most that this process held since its program began; getrusage would count its parent as well."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def used(database: CrmDatabase, pid: int, user: str) -> Used:
    """What a server that logs in as `user` has used until now."""
    return Used(of_process(pid), of_sessions(database.admin_url, user))

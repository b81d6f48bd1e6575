"""Merges the hosts' journals around a fault into one file, in the order of time."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from failover.drills.model import Host
from failover.drills.ports import Logs, PortError


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One entry of a journal; ordered by time first."""

    at: datetime
    host: str
    unit: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.host:<10} {self.unit}: {self.text}"


def parse(host: str, line: str) -> LogLine | None:
    """Return the entry of one line of `journalctl --output=json`, None when it is none.

    A message that is not UTF-8 comes as a list of bytes (systemd.journal-fields(7)).
    """
    try:
        entry = json.loads(line)
        at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
    except (ValueError, KeyError, TypeError):
        return None
    message = entry.get("MESSAGE") or ""
    text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
    unit = entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "kernel"
    return LogLine(at, host, str(unit).removesuffix(".service"), text)


def collect(logs: Logs, hosts: Iterable[Host], since: datetime, until: datetime, target: Path) -> list[str]:
    """Write the merged journals to `target`; return what could not be read, as text."""
    trouble: list[str] = []
    journals = [list(_journal(logs, host.name, since, until, trouble)) for host in hosts]
    with target.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in heapq.merge(*(sorted(journal) for journal in journals)))
    return trouble


def _journal(
    logs: Logs, host: str, since: datetime, until: datetime, trouble: list[str]
) -> Iterator[LogLine]:
    try:
        for line in logs.journal(host, since, until):
            entry = parse(host, line)
            if entry is not None:
                yield entry
    except PortError as error:
        trouble.append(f"journal of {host}: {error}")

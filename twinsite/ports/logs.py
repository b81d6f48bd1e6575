"""The hosts' journals, read as from their consoles: no network needed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from infra.lab import Lab
from twinsite.ports.errors import as_port_errors

_DEADLINE_S = 180.0


@dataclass(frozen=True)
class HostJournals:
    """A host that is off has no journal to read: `PortError`."""

    lab: Lab

    def journal(self, host: str, since: datetime, until: datetime) -> Iterable[str]:
        window = [f"--since=@{math.floor(since.timestamp())}", f"--until=@{math.ceil(until.timestamp())}"]
        fields = "--output-fields=MESSAGE,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"
        with as_port_errors():
            found = self.lab.machine(host).run(
                ["journalctl", "--no-pager", "--output=json", fields, *window], timeout=_DEADLINE_S
            )
        return found.stdout.splitlines()

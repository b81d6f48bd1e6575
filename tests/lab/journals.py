"""What the hosts said while a test failed: the lab is gone by the time that somebody asks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from failover.drills.logs import collect
from infra import paths
from infra.lab import Lab
from twinsite.drilling import drill_estate
from twinsite.ports.logs import HostJournals

# Of each host, in the test's own report. ZooKeeper's servers tell of every request, Patroni of every loop.
LAST_WORDS, LINE_LENGTH = 8, 180
WORDY, IDLE = "zookeeper", "no action. I am"
_LINE = re.compile(r"\S+ (?P<host>\S+) +(?P<unit>[^:]*): ")


def keep(lab: Lab, test: str, since: datetime) -> list[str]:
    """Writes the journals from `since` on to the logs; returns where they are, and each host's last words."""
    directory = paths.logs() / "lab-tests"
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / (re.sub(r"[^\w.-]+", "-", test).strip("-") + ".log")
    hosts = drill_estate(lab.estate).hosts
    trouble = collect(HostJournals(lab), hosts, since, datetime.now(UTC), target)
    return [f"the hosts' journals: {target}", *trouble, *last_words(target)]


def last_words(journals: Path) -> Iterable[str]:
    """The last lines of each host in a file that `collect` wrote."""
    said: dict[str, list[str]] = defaultdict(list)
    with journals.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line)
            if found and found["unit"] != WORDY and IDLE not in line:
                said[found["host"]] = [*said[found["host"]][1 - LAST_WORDS :], line.rstrip()[:LINE_LENGTH]]
    return [line for host in sorted(said) for line in said[host]]

"""The files of one drill: where they are, and how they come to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from failover.drills import history, logs
from failover.drills.checker import Finding
from failover.drills.judge import Record, judge
from failover.drills.model import Estate, Event, FinalState, Operation
from failover.drills.ports import Clock, Logs
from failover.drills.report import render
from failover.drills.verdict import Verdict

# The journals are read from this long before the drill began.
LOG_LEAD = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Files:
    """The directory of one drill. The parts of the history are merged into one, and go then."""

    directory: Path

    @property
    def drill(self) -> Path:
        return self.directory / "history-drill.jsonl"

    @property
    def load(self) -> Path:
        return self.directory / "history-load.jsonl"

    @property
    def observer(self) -> Path:
        return self.directory / "history-observer.jsonl"

    @property
    def history(self) -> Path:
        return self.directory / "history.jsonl"

    @property
    def stats(self) -> Path:
        return self.directory / "load.json"

    @property
    def findings(self) -> Path:
        return self.directory / "findings.json"

    @property
    def final(self) -> Path:
        return self.directory / "final-state.json"

    @property
    def logs(self) -> Path:
        return self.directory / "hosts.log"

    @property
    def verdict(self) -> Path:
        return self.directory / "verdict.json"

    @property
    def report(self) -> Path:
        return self.directory / "report.html"


def merge_history(files: Files) -> tuple[list[Event], list[Operation]]:
    """Merge the parts of the history into one file; return its events and operations."""
    parts = [part for part in (files.drill, files.load, files.observer) if part.exists()]
    events = history.merge(history.read(part) for part in parts)
    operations = history.operations(events)
    history.write(files.history, events)
    for part in parts:
        part.unlink()
    return events, operations


def collect_logs(source: Logs, estate: Estate, began: datetime, clock: Clock, files: Files) -> list[str]:
    """Write the merged journals of all hosts since the drill began; return what could not be read."""
    return logs.collect(source, estate.hosts, began - LOG_LEAD, clock.now(), files.logs)


def write_verdict(record: Record, files: Files) -> Verdict:
    """Judge the record and write verdict, findings, final state and report."""
    verdict, findings = judge(record)
    files.verdict.write_text(verdict.to_json(), encoding="utf-8")
    files.findings.write_text(_findings_json(findings), encoding="utf-8")
    files.final.write_text(_final_json(record.final), encoding="utf-8")
    files.report.write_text(render(verdict, record, findings), encoding="utf-8")
    return verdict


def _findings_json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False) + "\n"


def _final_json(final: FinalState) -> str:
    nodes = [
        {
            "node": node.node,
            "is_primary": node.is_primary,
            "caught_up": node.caught_up,
            "timeline": node.timeline,
            "markers": dict(node.markers),
            "executions": dict(node.executions),
        }
        for node in final.nodes
    ]
    return json.dumps(nodes, ensure_ascii=False) + "\n"

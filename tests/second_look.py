"""What failed among others at once, tried once more alone: `pytest --last-failed --second-look=FILE`.

A machine may take the processor or the disk away for longer than any deadline; a fault of the product fails
both times. Nothing is hidden: what passed alone is told in the end, and written to FILE. A promise of safety
that was broken once is broken: tests marked `safety` are not run again, and stay failed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

# More at once are no accident.
MOST = 10
NEVER_AGAIN = "it failed in the parallel run; a promise of safety is not tried again"
TOLD = "failed in the parallel run, passed alone"


class SecondLook:
    """Runs each test at most once, and remembers which passed."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._failed: set[str] = set()
        self._passed: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if len(session.items) > MOST:
            pytest.exit(f"{len(session.items)} tests failed: that is no accident, so none is tried again", 1)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("safety"):
            pytest.fail(NEVER_AGAIN, pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self._passed.append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        passed = [nodeid for nodeid in self._passed if nodeid not in self._failed]
        self._notes.write_text("".join(f"{nodeid}\n" for nodeid in passed))
        for nodeid in passed:
            terminalreporter.write_line(f"{TOLD}: {nodeid}", yellow=True)

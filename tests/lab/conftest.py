"""Of a lab test that fails, the hosts' journals are kept, and their last words stand in its report."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import pytest

from infra.command import CommandError
from infra.lab import Lab, LabError
from infra.paths import CHECKOUT
from infra.topology import load_estate
from tests.lab import journals

# What a test finds broken may have broken in the one before.
LEAD = timedelta(minutes=5)
BEGAN = pytest.StashKey[datetime]()


@pytest.hookimpl
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[BEGAN] = datetime.now(UTC)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when != "teardown":
        report.sections.append(("hosts", "\n".join(_kept(item))))
    return report


def _kept(item: pytest.Item) -> list[str]:
    """Only of what failed: reading the inventory takes a third of a second."""
    lab = Lab.of(load_estate(CHECKOUT / "inventory/lab"))
    if not lab.is_up:
        return ["the lab is not up"]
    try:
        return journals.keep(lab, item.nodeid, item.stash[BEGAN] - LEAD)
    except (CommandError, LabError, OSError) as error:
        return [f"the hosts' journals could not be kept: {error}"]

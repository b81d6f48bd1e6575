"""How every test runs: where its files lie, and which examples it tries."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tests import scratch

# Property-based tests try the same examples on every machine: nothing fails where nobody changed anything.
# What is new is looked for on purpose: `pytest --hypothesis-profile=explore --hypothesis-seed=N tests/unit`.
# A slow machine is no finding: no deadline of an example, nor of making one up.
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("same")

_held = ExitStack()


@pytest.hookimpl(tryfirst=True)  # before pytest looks for its own directory
def pytest_configure(config: pytest.Config) -> None:
    """One directory for a run and all its processes; `--basetemp` keeps what tests wrote, in another."""
    if hasattr(config, "workerinput"):
        return  # xdist's processes have it of the one that started them
    directory = _held.enter_context(scratch.own_directory())
    config.option.basetemp = config.option.basetemp or directory / "pytest"


def pytest_unconfigure() -> None:
    _held.close()

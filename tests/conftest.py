"""How every test runs: where its files lie, and which examples it tries."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import scratch
from tests.second_look import SecondLook

# Property-based tests try the same examples on every machine: nothing fails where nobody changed anything.
# What is new is looked for on purpose: `pytest --hypothesis-profile=explore --hypothesis-seed=N tests/unit`.
# A slow machine is no finding: no deadline of an example, nor of making one up.
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("same")

_held = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "with --last-failed: run what failed among others once more, alone; FILE takes what passed"
    parser.addoption("--second-look", metavar="FILE", type=Path, help=told)


@pytest.hookimpl(tryfirst=True)  # before pytest looks for its own directory
def pytest_configure(config: pytest.Config) -> None:
    """One directory for a run and all its processes; `--basetemp` keeps what tests wrote, in another."""
    if hasattr(config, "workerinput"):
        return  # xdist's processes have it of the one that started them
    directory = _held.enter_context(scratch.own_directory())
    config.option.basetemp = config.option.basetemp or directory / "pytest"
    if (notes := config.getoption("second_look")) is not None:
        config.pluginmanager.register(SecondLook(notes))


def pytest_unconfigure() -> None:
    _held.close()

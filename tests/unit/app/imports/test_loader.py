"""The loader's process goes on, whatever happens to a batch."""

from __future__ import annotations

import threading

import psycopg
import pytest

from app.imports import loader as loader_module
from app.imports.load import OvertakenError
from app.imports.loader import Loader

WAIT_SECONDS = 60.0
SHORT = 0.001


class Failing(Loader):
    """Fails with one after the other, then has nothing more to do."""

    def __init__(self, *errors):
        super().__init__("")
        self.errors = list(errors)
        self.attempts = 0
        self.left = 0
        self.stop = threading.Event()

    def _attempt(self):
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.stop.set()
        return False

    def _disconnect(self):
        self.left += 1
        super()._disconnect()


@pytest.fixture
def pauses(monkeypatch):
    """What it would have waited, failure by failure."""
    asked = []

    def growing(failures, most=None):
        asked.append((failures, most))
        return SHORT

    monkeypatch.setattr(loader_module, "growing", growing)
    return asked


PASSING = (
    psycopg.InternalError("received 2 results from command 'COMMIT'"),
    psycopg.OperationalError("connection refused"),
    OvertakenError("a form was faster"),
)
LASTING = (psycopg.DataError("out of range"), KeyError("column"))


def test_no_error_ends_its_process(pauses):
    with Failing(*PASSING, *LASTING) as loader:
        thread = threading.Thread(target=loader.run_until, args=(loader.stop,))
        thread.start()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
        assert loader.attempts == len(PASSING) + len(LASTING) + 1
        assert loader.left == len(PASSING) + len(LASTING)  # each time on connections of their own
    assert [failures for failures, _ in pauses] == [1, 2, 3, 4, 5]
    assert [most for _, most in pauses] == [None] * 3 + [loader_module.REFUSED_SECONDS] * 2


def test_a_load_from_the_shell_repeats_what_passes_and_tells_what_does_not(pauses):
    with Failing(*PASSING, LASTING[0]) as loader:
        with pytest.raises(psycopg.DataError):
            loader.drain()
        assert loader.attempts == len(PASSING) + 1
        assert len(pauses) == len(PASSING)


def test_a_load_from_the_shell_ends_when_nothing_passes_for_very_long(pauses):
    with Failing(*PASSING * loader_module.RETRIES) as loader:
        with pytest.raises(psycopg.Error):
            loader.drain()
        assert loader.attempts == loader_module.RETRIES


def test_the_longest_wait_of_a_load_from_the_shell_outlasts_a_failover():
    shortest = sum(loader_module.growing(n) / 2 for n in range(1, loader_module.RETRIES))
    assert shortest > 30

"""A private PostgreSQL server for the tests that need a real one. Works as root and as anyone else.

`postgres_server` is shared by the whole run; a test that stops or breaks its server makes one of its own
with `app.devserver.running_server`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.devserver import THROWAWAY, PrivateServer, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivateServer]:
    with running_server(THROWAWAY) as server:
        yield server

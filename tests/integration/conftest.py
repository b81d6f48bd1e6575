"""A private PostgreSQL server for the tests that need a real one. Works as root and as anyone else.

`postgres_server` is shared by the whole run; a test that stops or breaks its server makes one of its own
with `app.devserver.running_server`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.devserver import THROWAWAY, PrivateServer, running_server

# Of a statement or a lock that a test waits for: it fails then, and says for what. Roles with limits of their
# own, as crm_app, keep them. Long enough for a machine that stops these processes for a minute.
LIMITS = {"statement_timeout": "5min", "lock_timeout": "4min", "log_lock_waits": "on"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivateServer]:
    with running_server({**THROWAWAY, **LIMITS}) as server:
        yield server

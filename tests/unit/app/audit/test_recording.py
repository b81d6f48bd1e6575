from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from app.access.principal import TRUSTED
from app.audit import repository, spool
from app.audit.middleware import _Answer
from app.audit.model import Entry, Kind

pytestmark = pytest.mark.safety

ENTRY = Entry(
    id=UUID(int=1),
    site="dc1",
    at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    kind=Kind.DISCLOSURE,
    principal="petrova",
    unit="north",
    region=None,
    partner=None,
    operation="GET /api/v1/customers",
    status=200,
    subjects=("customers/1", "customers/2"),
    trace="crm 1",
    client=None,
)


def test_what_the_database_gets_is_what_the_spool_holds(tmp_path):
    segment = spool.Segment.create(tmp_path / "1.spool")
    segment.append(ENTRY)
    segment.append(ENTRY)
    written = segment.path.read_bytes().splitlines()
    delivered = orjson.loads(repository.delivery(segment.lines)["entries"])
    assert delivered == [orjson.loads(line) for line in written]
    assert [spool._read(line) for line in written] == [ENTRY, ENTRY]


def test_an_address_with_a_nul_is_recorded_without_it(tmp_path):
    """PostgreSQL's text has no NUL: one such entry would keep all those behind it from being delivered."""
    scope = {"method": "GET", "path": "/api/v1/accounts/\x00", "state": {"request_id": "1"}}
    answer = _Answer(scope, None, None, None, "dc1", reading=True)
    assert answer._entry(TRUSTED, Kind.REFUSAL, 403).operation == "GET /api/v1/accounts/\ufffd"

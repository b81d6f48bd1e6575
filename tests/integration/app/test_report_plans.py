"""Reports of a period read the requests of about that period, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from app.access.policy import Role
from app.access.principal import TRUSTED, Principal, access_of
from app.reports import repository
from app.reports.schemas import Dimension

SINCE, UNTIL = datetime(2026, 5, 8, tzinfo=UTC), datetime(2026, 5, 15, tzinfo=UTC)
SERVICE = repository.service(Dimension.TOPIC).sql, repository.of_period(SINCE, UNTIL)
FREQUENCY = repository.FREQUENCY.sql, {**repository.beside_before(SINCE, UNTIL), "rows": 100}
HEAD = access_of(Principal("head", frozenset({Role.HEAD}), ("north",), ("54",)))


@pytest.mark.parametrize("access", [TRUSTED, HEAD], ids=["all", "of a zone"])
@pytest.mark.parametrize("report", [SERVICE, FREQUENCY], ids=["service", "frequency"])
def test_the_primary_key_leads_to_the_period(crm, report, access):
    """Through row-level security, too, which lets nothing decide what is read that might tell of a row."""
    statement, parameters = report
    given = {**access.parameters, **parameters, "trace": "x", "fresh": False}
    with psycopg.connect(crm.url(), cursor_factory=psycopg.ClientCursor) as app:
        app.execute("SET enable_seqscan = off")  # the table of a test is small
        plan = "\n".join(row[0] for row in app.execute(f"EXPLAIN (COSTS OFF) {statement}", given))
    found = f"((id >= '{parameters['first_id']}'::uuid) AND (id < '{parameters['last_id']}'::uuid))"
    assert f"Index Cond: {found}" in plan, plan

"""What is not kept for ever goes in bounded batches, and what must be kept stays."""

from __future__ import annotations

import pytest

from app.access.principal import TRUSTED, acting_as
from app.database.answer import Command
from app.retention import purge

COMMAND = Command("crm test", "system:worker", None, b"", 10.0, audited=False)
CALL = """
INSERT INTO crm.call (id, direction, phone, started_at, personal_data_changed, keep_until, external_id)
VALUES (crm.new_id(), 'in', '+7', now(), %(changed)s,
        CASE WHEN NOT %(changed)s THEN now() + %(keeps)s::interval END, %(external_id)s) RETURNING id::text
"""


@pytest.fixture
def call(admin, number):
    def make(name, keeps, *, changed=False):
        values = {"external_id": f"{name}-{number}", "keeps": keeps, "changed": changed}
        return admin.execute(CALL, values).fetchone()[0]

    return make


async def done(api, job):
    with acting_as(TRUSTED):
        return await job(api.database, COMMAND)


@pytest.mark.safety
async def test_calls_go_when_their_time_is_over_but_changes_of_personal_data_never(api, admin, call):
    over, runs, kept = call("over", "-1 day"), call("runs", "1 day"), call("kept", "-1 day", changed=True)
    assert await done(api, purge.purge_calls) is False
    left = {id_ for (id_,) in admin.execute("SELECT id::text FROM crm.call")}
    assert over not in left
    assert {runs, kept} <= left
    (subjects,) = admin.execute(
        "SELECT subjects FROM crm.audit_pending WHERE principal = 'system:retention' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert f"calls/{over}" in subjects, "that it went is in the log"


async def test_a_batch_is_bounded(api, admin, call, monkeypatch):
    monkeypatch.setattr(purge, "BATCH", 2)
    for n in range(3):
        call(f"batch{n}", "-1 day")
    assert await done(api, purge.purge_calls) is True
    assert await done(api, purge.purge_calls) is False


async def test_old_answers_are_forgotten_and_their_keys_may_be_used_again(api, admin, company, number):
    first = await api.post("/api/v1/customers", company(), key=f"old-{number}")
    assert first.status_code == 201
    assert await done(api, purge.expire_keys) is False
    again = await api.post("/api/v1/customers", company(), key=f"old-{number}")
    assert again.headers["Idempotency-Replayed"] == "true"
    admin.execute(
        "UPDATE crm.idempotency_key SET created_at = created_at - interval '8 days' WHERE key = %s",
        (f"old-{number}",),
    )
    await done(api, purge.expire_keys)
    assert (await api.post("/api/v1/customers", company(), key=f"old-{number}")).status_code == 409

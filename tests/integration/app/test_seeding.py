"""`python -m app seed`: an estate to work on, the same again."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.devserver import create_crm_database
from app.loyalty.proof import verify
from app.seeding.promotions import promotions

COUNTS = """
SELECT (SELECT count(*) FROM crm.station), (SELECT count(*) FROM crm.card),
       (SELECT count(*) FROM crm.card_lookup), (SELECT count(*) FROM crm.card_transaction),
       (SELECT count(*) FROM crm.card_transaction_detail), (SELECT count(*) FROM crm.ledger_entry),
       (SELECT sum(a.balance) FROM crm.ledger_account a),
       (SELECT count(*) FROM crm.promotion p JOIN crm.directory_version v
        ON (v.directory, v.code, v.version) = ('promotions', p.code, 1)),
       (SELECT md5(string_agg(concat_ws(' ', o.external_id, f.region, f.customer_type, f.planned_volume), ','
                              ORDER BY o.external_id))
        FROM crm.customer_profile f JOIN crm.customer o ON o.id = f.customer_id)
"""
# Whose profile is missing, or should be; whose region or type is not its own.
ODD_PROFILES = """
SELECT o.external_id, o.name, f.region, f.customer_type
FROM crm.customer o LEFT JOIN crm.customer_profile f ON f.customer_id = o.id
WHERE o.merged_into IS NULL
  AND ((o.kind = 'company') <> (f.customer_id IS NOT NULL)
       OR f.region <> left(o.inn, 2) OR (f.customer_type = 'budget') <> (o.name ^@ 'МУП'))
"""


@pytest.fixture
def seed(postgres_server, monkeypatch):
    """The command on a base of its own, and a connection to look into it."""
    database = create_crm_database(postgres_server, "seeded")
    monkeypatch.setenv("CRM_DATABASE_URL", database.url())
    monkeypatch.setenv("CRM_CARD_KEYS", f"1:{base64.b64encode(os.urandom(32)).decode()}")
    sizes = {"customers": 60, "stations": 70, "cards": 40, "transactions": 500, "promotions": 12, "number": 7}

    def run(**changes):
        options = [f"--{name}={value}" for name, value in {**sizes, **changes}.items()]
        return CliRunner().invoke(app, ["seed", *options])

    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield run, connection
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE seeded WITH (FORCE)")


def test_an_estate_is_seeded_and_seeding_again_changes_nothing(seed):
    run, connection = seed
    first = run()
    assert first.exit_code == 0, first.output
    counted = connection.execute(COUNTS).fetchone()
    stations, cards, lookups, register, details, entries, points, promotions, _ = counted
    assert (stations, register, details, promotions) == (70, 500, 500, 12)
    assert 30 <= cards == lookups <= 40, "but for those whose customer's row speaks of another one"
    assert entries == cards
    assert cards * 100 <= points <= cards * 1000
    assert verify(connection).proven
    assert run().exit_code == 0
    assert connection.execute(COUNTS).fetchone() == counted
    months = connection.execute(
        "SELECT count(DISTINCT tableoid) FROM crm.card_transaction_detail"
        " WHERE tableoid <> 'crm.card_transaction_detail_other'::regclass"
    ).fetchone()
    assert months == (3,)
    joined = connection.execute(
        "SELECT count(*) FROM crm.card_transaction_detail d JOIN crm.card c ON c.token = d.card_token"
        " JOIN crm.customer o ON o.id = c.customer_id JOIN crm.station s ON s.known_as = d.station"
    ).fetchone()
    assert joined[0] >= 300
    assert run(transactions=600).exit_code == 0, "more of them"


async def test_seeded_companies_have_profiles_and_promotions_of_their_regions(seed, start_api):
    run, connection = seed
    assert run().exit_code == 0
    assert connection.execute(ODD_PROFILES).fetchall() == []
    types = connection.execute(
        "SELECT customer_type, count(*) FROM crm.customer_profile GROUP BY 1"
    ).fetchall()
    assert {type_ for type_, _ in types} == {"budget", "commercial"}
    siberia = next(form for form in promotions(12) if form.regions)
    found = connection.execute(
        "SELECT o.id, left(o.inn, 2) = ANY (%s) FROM crm.customer o WHERE o.kind = 'company'",
        (list(siberia.regions),),
    ).fetchall()
    assert {there for _, there in found} == {True, False}
    now = datetime.now(UTC)
    period = {"starts": (now - timedelta(days=1)).isoformat(), "ends": (now + timedelta(days=1)).isoformat()}
    async with start_api(os.environ["CRM_DATABASE_URL"]) as api:
        form = {**siberia.model_dump(mode="json"), "code": "siberia-now", **period}
        assert (await api.post("/api/v1/promotions", form)).status_code == 201
        for customer, there in found:
            window = (await api.get(f"/api/v1/customers/{customer}/window")).json()
            assert ("siberia-now" in [each["code"] for each in window["promotions"]]) is there


def test_a_profile_that_somebody_gave_stays(seed):
    run, connection = seed
    assert run().exit_code == 0
    connection.execute("UPDATE crm.customer_profile SET vip = true, region = NULL, changed_by = 'petrova'")
    assert run().exit_code == 0
    changed = connection.execute(
        "SELECT DISTINCT vip, region, changed_by FROM crm.customer_profile"
    ).fetchall()
    assert changed == [(True, None, "petrova")]


def test_what_is_missing_is_said_first(seed, monkeypatch):
    run, _ = seed
    assert "transactions need cards" in run(cards=0).output
    monkeypatch.delenv("CRM_CARD_KEYS")
    assert "CRM_CARD_KEYS" in run().output

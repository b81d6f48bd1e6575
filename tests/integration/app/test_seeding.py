"""`python -m app seed`: an estate to work on, the same again."""

from __future__ import annotations

import base64
import os

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.devserver import create_crm_database
from app.loyalty.proof import verify

COUNTS = """
SELECT (SELECT count(*) FROM crm.station), (SELECT count(*) FROM crm.card),
       (SELECT count(*) FROM crm.card_lookup), (SELECT count(*) FROM crm.card_transaction),
       (SELECT count(*) FROM crm.card_transaction_detail), (SELECT count(*) FROM crm.ledger_entry),
       (SELECT sum(a.balance) FROM crm.ledger_account a),
       (SELECT count(*) FROM crm.promotion p JOIN crm.directory_version v
        ON (v.directory, v.code, v.version) = ('promotions', p.code, 1))
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


def test_an_estate_is_seeded_and_seeding_again_changes_nothing(seed):
    run, connection = seed
    first = run()
    assert first.exit_code == 0, first.output
    counted = connection.execute(COUNTS).fetchone()
    stations, cards, lookups, register, details, entries, points, promotions = counted
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


def test_what_is_missing_is_said_first(seed, monkeypatch):
    run, _ = seed
    assert "transactions need cards" in run(cards=0).output
    monkeypatch.delenv("CRM_CARD_KEYS")
    assert "CRM_CARD_KEYS" in run().output

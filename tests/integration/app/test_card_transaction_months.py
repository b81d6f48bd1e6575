"""Card transactions by month: the way there while the release before serves, and months made ahead."""
# ruff: noqa: S608  # statements are composed of constants

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from app.access.principal import TRUSTED
from app.card_transactions.partitions import ensure_partitions
from app.database.units import ACT
from app.migrate import load, migrate, waiting
from app.roles import Role, ensure_database, ensure_roles

pytestmark = pytest.mark.safety

FEED = "/api/v1/card-transactions"
BEFORE = [migration for migration in load() if migration.version < 70]

# The statements of the release before, word for word.
OLD_COLUMNS = "processing_id, card_token, station, product, quantity, amount, currency, occurred_at"
OLD_INSERT = f"""
INSERT INTO crm.card_transaction ({OLD_COLUMNS}, received_at)
VALUES (%(processing_id)s, %(card_token)s, %(station)s, %(product)s, %(quantity)s, %(amount)s, %(currency)s,
        %(occurred_at)s, now())
"""
OLD_INSERT_NEW = f"""
INSERT INTO crm.card_transaction ({OLD_COLUMNS}, received_at)
SELECT t.*, now()
FROM unnest(%(processing_id)s::text[], %(card_token)s::text[], %(station)s::text[], %(product)s::text[],
            %(quantity)s::numeric[], %(amount)s::numeric[], %(currency)s::text[],
            %(occurred_at)s::timestamptz[]) AS t
ON CONFLICT (processing_id) DO NOTHING
RETURNING processing_id
"""
OLD_STORED = f"SELECT {OLD_COLUMNS} FROM crm.card_transaction WHERE processing_id = ANY(%(ids)s)"
COUNTS = (
    "SELECT (SELECT count(*) FROM crm.card_transaction), (SELECT count(*) FROM crm.card_transaction_detail)"
)


def transaction(id_, moment="2026-01-02T03:04:05+00:00"):
    return {
        "processing_id": id_,
        "card_token": "tok_9f2c41d07a",
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "45.120",
        "amount": "2710.25",
        "currency": "RUB",
        "occurred_at": moment,
    }


def as_columns(*rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture
def before(postgres_server):
    """A database as the release before left it, with its URL maker."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        ensure_roles(connection, dict.fromkeys(Role, postgres_server.password))
        ensure_database(connection, "before")
        migrate(postgres_server.url("before", "crm_owner"), BEFORE)
        yield lambda role: postgres_server.url("before", role)
        connection.execute("DROP DATABASE before WITH (FORCE)")


@pytest.fixture
def old(before):
    """A session of the release before, as its API acts."""
    with psycopg.connect(before("crm_app"), autocommit=True) as connection:
        connection.execute("SET crm.reads = '{card_transaction:*}'")
        connection.execute("SET crm.creates = '{card_transaction:*}'")
        yield connection


async def test_both_releases_take_each_transaction_once_until_the_old_one_is_gone(before, old, start_api):
    old.execute(OLD_INSERT, transaction("stored before"))
    migrate(before("crm_owner"))
    assert 79 in {migration.version for migration in waiting(before("crm_owner"))}
    async with start_api(before("crm_app")) as api:
        first = await api.post(f"{FEED}/batch", {"transactions": [transaction("by the new one")]})
        assert first.json() == {"accepted": 1, "duplicates": []}
        # The old release meets what the new one took, and the other way round.
        old.execute(OLD_INSERT, transaction("by the old one"))
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            old.execute(OLD_INSERT, transaction("by the new one"))
        assert caught.value.diag.constraint_name == "card_transaction_pkey"
        both = as_columns(transaction("by the new one"), transaction("in the old one's batch"))
        assert old.execute(OLD_INSERT_NEW, both).fetchall() == [("in the old one's batch",)]
        assert len(old.execute(OLD_STORED, {"ids": ["by the new one"]}).fetchall()) == 1
        await _new_release_knows(api, "stored before", "by the old one", "in the old one's batch")
        assert old.execute(COUNTS).fetchone() == (4, 4)

        migrate(before("crm_owner"), finish=True)
        assert waiting(before("crm_owner")) == ()
        ids = ("stored before", "by the new one", "by the old one", "in the old one's batch")
        await _new_release_knows(api, *ids)
        last = await api.post(f"{FEED}/batch", {"transactions": [transaction("later"), transaction(ids[0])]})
        assert last.json() == {"accepted": 1, "duplicates": [ids[0]]}
    assert old.execute(COUNTS).fetchone() == (5, 5)


async def _new_release_knows(api, *ids):
    for id_ in ids:
        assert (await api.get(f"{FEED}/{id_}")).json()["quantity"] == "45.120"
        again = await api.post(FEED, transaction(id_))
        assert (again.status_code, again.json()["status"]) == (200, "duplicate")
        other = await api.post(FEED, {**transaction(id_), "amount": "1"})
        assert (other.status_code, other.json()["code"]) == (409, "transaction-conflict")


async def test_the_feed_goes_on_while_it_is_brought_over(before, start_api):
    migrate(before("crm_owner"))
    accepted = []
    async with start_api(before("crm_app")) as api:
        over = asyncio.Event()

        async def feed(channel):
            n = 0
            while not over.is_set():
                batch = [transaction(f"{channel}:{n}:{place}") for place in range(20)]
                answer = await api.post(f"{FEED}/batch", {"transactions": batch})
                assert answer.status_code == 200, answer.text
                accepted.append(answer.json()["accepted"])
                n += 1

        channels = [asyncio.create_task(feed(channel)) for channel in range(3)]
        while len(accepted) < 10:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(migrate, before("crm_owner"), finish=True)
        enough = len(accepted) + 10
        while len(accepted) < enough:
            await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*channels)
    with psycopg.connect(before("crm_owner")) as owner:
        assert owner.execute(COUNTS).fetchone() == (sum(accepted), sum(accepted))


def _months(connection):
    rows = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'crm.card_transaction_detail'::regclass"
    )
    return {name.removeprefix("crm.").removeprefix("card_transaction_detail_") for (name,) in rows}


def _partition_of(connection, id_):
    return connection.execute(
        "SELECT tableoid::regclass::text FROM crm.card_transaction_detail WHERE processing_id = %s", (id_,)
    ).fetchone()[0]


async def test_a_month_that_nobody_made_takes_nothing_away(api, crm, admin, number):
    """The worker was away: transactions are taken all the same, and move when their month is made."""
    month = datetime(2031, 1 + number % 12, 1, tzinfo=UTC)
    rows = [transaction(f"{number}:{day}", f"{month:%Y-%m}-{day:02}T00:00:00+00:00") for day in (1, 15, 28)]
    assert (await api.post(f"{FEED}/batch", {"transactions": rows})).json()["accepted"] == 3
    assert _partition_of(admin, f"{number}:1").endswith("_other")
    with psycopg.connect(crm.url(Role.APP), autocommit=True) as app:
        made = app.execute("SELECT crm.ensure_card_transaction_month(%s)", (month.date(),)).fetchone()
        again = app.execute("SELECT crm.ensure_card_transaction_month(%s)", (month.date(),)).fetchone()
    assert (made, again) == ((True,), (False,))
    assert {_partition_of(admin, row["processing_id"]) for row in rows} == {
        f"crm.card_transaction_detail_{month:%Y_%m}"
    }
    assert (await api.get(f"{FEED}/{number}:15")).json()["processing_id"] == f"{number}:15"
    assert (await api.post(FEED, rows[0])).json()["status"] == "duplicate"


def test_months_are_made_ahead_by_any_number_of_workers_at_once(crm, admin):
    def worker(_):
        with psycopg.connect(crm.url(Role.APP), autocommit=True) as connection:
            return ensure_partitions(connection, 6)

    there = _months(admin)
    with ThreadPoolExecutor(3) as workers:
        made = [month for months in workers.map(worker, range(3)) for month in months]
    assert len(made) == len(set(made)), "each month by one of them"
    assert _months(admin) - there == {f"{month:%Y_%m}" for month in made}
    assert worker(0) == ()
    indexes = admin.execute(
        "SELECT count(DISTINCT c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_inherits h ON h.inhrelid = c.oid WHERE NOT i.indisvalid OR h.inhdetachpending"
    ).fetchone()
    assert indexes == (0,)


def test_a_month_is_not_made_while_somebody_holds_what_it_needs(crm, admin, monkeypatch):
    monkeypatch.setattr("app.card_transactions.partitions.LOCK_TIMEOUT", "10ms")
    with psycopg.connect(crm.admin_url) as reader, psycopg.connect(crm.url(Role.APP)) as worker:
        reader.execute(ACT, TRUSTED.parameters)
        reader.execute("SELECT count(*) FROM crm.card_transaction_detail")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ensure_partitions(worker, 9)


async def test_the_partitions_are_no_way_around_the_policies(crm):
    with psycopg.connect(crm.url(Role.APP), autocommit=True) as app:
        app.execute(ACT, TRUSTED.parameters)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT count(*) FROM crm.card_transaction_detail_other")

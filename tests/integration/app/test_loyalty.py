"""Points through the HTTP API (K3): "корректное начисление баллов", "корректировки баллов", history."""

from __future__ import annotations

import asyncio
import base64
import os
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum import luhn
from typer.testing import CliRunner

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.cli import app as commands
from app.database.answer import Command
from app.devserver import create_crm_database
from app.worker.jobs import JOBS

ACCOUNTS, CUSTOMERS, FEED = "/api/v1/loyalty-accounts", "/api/v1/customers", "/api/v1/card-transactions"
KEYS = f"1:{base64.b64encode(os.urandom(32)).decode()}"


@pytest.fixture(scope="module")
def books(postgres_server):
    """A base of their own: the proof is about all of it."""
    return create_crm_database(postgres_server, "books")


@pytest.fixture
async def api(books, start_api):
    async with start_api(books.url(), card_keys=KEYS, pool_max_size=8) as api:
        yield api


@pytest.fixture
async def customer(api, company):
    return (await api.post(CUSTOMERS, company())).json()["id"]


@pytest.fixture
def verify(books, monkeypatch):
    """`python -m app ledger verify`."""

    def run():
        monkeypatch.setenv("CRM_DATABASE_URL", books.url())
        return CliRunner().invoke(commands, ["ledger", "verify"])

    return run


async def card_of(api, customer, number):
    digits = f"700603{number:09}"
    form = {"number": digits + luhn.calc_check_digit(digits), "customer_id": customer}
    answer = await api.post("/api/v1/cards", form)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def purchase(id_, token, amount):
    return {
        "processing_id": id_,
        "card_token": token,
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "45.120",
        "amount": str(amount),
        "currency": "RUB",
        "occurred_at": "2026-01-02T03:04:05Z",
    }


async def accrued(api):
    """Until nothing is left; how many gave points."""
    total = 0
    while True:
        answer = await api.http.post("/api/v1/accruals/sweeps")
        assert answer.status_code == 200, answer.text
        if not answer.json()["received"]:
            return total
        total += answer.json()["accrued"]


async def balance(api, customer):
    return Decimal((await api.get(f"{ACCOUNTS}/{customer}")).json()["balance"])


async def give(api, customer, points, reference=None):
    form = {"points": str(points), "reference": reference or f"ref-{uuid4()}", "reason": "корректировка"}
    return await api.post(f"{ACCOUNTS}/{customer}/corrections", form)


async def redeem(api, customer, points, reference=None):
    form = {"points": str(points), "reference": reference or f"ref-{uuid4()}"}
    return await api.post(f"{ACCOUNTS}/{customer}/redemptions", form)


@pytest.mark.safety
async def test_what_the_feed_brings_gives_points_once(api, customer, number, verify):
    token = await card_of(api, customer, number)
    rows = [
        purchase(f"points:{number}:{n}", token, amount) for n, amount in enumerate(("1000", "2000", "-1000"))
    ]
    stranger = purchase(f"points:{number}:x", "tok_not_ours", "500")
    await api.post(f"{FEED}/batch", {"transactions": [*rows, stranger]})
    await api.post(f"{FEED}/batch", {"transactions": rows})  # delivered again
    assert await accrued(api) == 3
    assert await accrued(api) == 0
    assert await balance(api, customer) == Decimal(20)
    history = (await api.get(f"{ACCOUNTS}/{customer}/entries")).json()["items"]
    assert {(item["kind"], item["points"], item["rule"]) for item in history} == {
        ("accrual", "10.00", "one-percent"),
        ("accrual", "20.00", "one-percent"),
        ("accrual", "-10.00", "one-percent"),
    }
    assert {item["reference"] for item in history} == {row["processing_id"] for row in rows}
    assert verify().exit_code == 0


@pytest.mark.safety
async def test_a_transaction_that_commits_late_is_not_left_out(api, books, customer, number):
    """An earlier transaction that is still open while later ones are accrued."""
    token = await card_of(api, customer, number)
    with psycopg.connect(books.admin_url) as slow:
        slow.execute(
            "INSERT INTO crm.card_transaction (processing_id, card_token, occurred_at)"
            " VALUES (%s, %s, now())",
            (f"late:{number}", token),
        )
        slow.execute(
            "INSERT INTO crm.card_transaction_detail VALUES (%s, %s, 's', 'p', 1, 700, 'RUB', now(), now())",
            (f"late:{number}", token),
        )
        await api.post(FEED, purchase(f"early:{number}", token, "300"))
        assert await accrued(api) == 0, "it waits for what may still commit before it"
        slow.commit()
    assert await accrued(api) == 2
    assert await balance(api, customer) == Decimal(10)


async def test_rules_are_data(api, customer, number):
    title = {"ru": "Двойные баллы за дизель", "en": "Double for diesel", "kk": "Дизельге екі есе"}
    form = {
        "code": f"diesel-{number}",
        "title": title,
        "position": 1,
        "products": ["DT"],
        "stations": [f"АЗС-{number}"],
        "basis": "quantity",
        "rate": "2",
    }
    assert (await api.post("/api/v1/accrual-rules", form)).status_code == 201
    token = await card_of(api, customer, number)
    bought = {**purchase(f"rule:{number}", token, "3000"), "product": "DT", "station": f"АЗС-{number}"}
    await api.post(FEED, bought)
    await accrued(api)
    assert await balance(api, customer) == Decimal("90.24")


async def test_points_are_redeemed_as_far_as_they_go(api, customer, verify):
    assert (await give(api, customer, "100")).json()["balance"] == "100.00"
    first = await redeem(api, customer, "60", "receipt-1-" + customer)
    assert (first.status_code, first.json()["balance"]) == (201, "40.00")
    again = await redeem(api, customer, "60", "receipt-1-" + customer)
    assert (again.status_code, again.json()["code"]) == (409, "insufficient-points")
    twice = await redeem(api, customer, "1", "receipt-1-" + customer)
    assert (twice.status_code, twice.json()["code"]) == (409, "already-exists")
    too_much = await redeem(api, customer, "40.01")
    assert too_much.json()["code"] == "insufficient-points"
    assert await balance(api, customer) == Decimal(40)
    assert verify().exit_code == 0


@pytest.mark.safety
async def test_nobody_redeems_the_same_points_twice_at_once(api, customer):
    await give(api, customer, "100")
    answers = await asyncio.gather(*(redeem(api, customer, "30") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 409, 409, 409, 409, 409]
    assert await balance(api, customer) == Decimal(10)


@pytest.mark.safety
async def test_an_entry_is_reversed_once_and_both_stay(api, customer):
    wrong = (await give(api, customer, "50")).json()["entry"]
    address = f"{ACCOUNTS}/{customer}/entries/{wrong['id']}/reversal"
    back = await api.post(address, {"reason": "ошибка"})
    assert (back.status_code, back.json()["balance"], back.json()["entry"]["points"]) == (
        201,
        "0.00",
        "-50.00",
    )
    again = await api.post(address, {"reason": "ошибка"})
    assert (again.status_code, again.json()["code"]) == (409, "insufficient-points")
    await give(api, customer, "80")
    again = await api.post(address, {"reason": "ошибка"})
    assert (again.status_code, again.json()["state"]) == (409, "reversed")
    of_it = await api.post(
        f"{ACCOUNTS}/{customer}/entries/{back.json()['entry']['id']}/reversal", {"reason": "x"}
    )
    assert (of_it.status_code, of_it.json()["state"]) == (409, "reversal")
    kinds = [item["kind"] for item in (await api.get(f"{ACCOUNTS}/{customer}/entries")).json()["items"]]
    assert kinds == ["correction", "reversal", "correction"]


async def test_points_that_were_spent_cannot_be_taken_back(api, customer):
    given_ = (await give(api, customer, "50")).json()["entry"]
    await redeem(api, customer, "20")
    back = await api.post(f"{ACCOUNTS}/{customer}/entries/{given_['id']}/reversal", {"reason": "x"})
    assert back.json()["code"] == "insufficient-points"
    assert (await give(api, customer, "-30.01")).json()["code"] == "insufficient-points"
    assert (await give(api, customer, "0")).status_code == 422


async def test_merged_customers_keep_their_points(api, company, customer, verify):
    """And take back what was not spent when the merge is undone."""
    other = (await api.post(CUSTOMERS, {"kind": "person", "name": "Иванов Иван"})).json()["id"]
    survivor = (await api.post(CUSTOMERS, {"kind": "person", "name": "Иванов И."})).json()["id"]
    await give(api, other, "70")
    await give(api, survivor, "5")
    merged = await api.post(f"{CUSTOMERS}/{survivor}/merges", {"source_id": other, "reason": "один человек"})
    assert merged.status_code == 201, merged.text
    assert await balance(api, survivor) == await balance(api, other) == Decimal(75), "the old id leads there"
    assert (await redeem(api, other, "15")).json()["balance"] == "60.00"
    undone = await api.post(f"{CUSTOMERS}/{survivor}/merges/{merged.json()['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert (await balance(api, survivor), await balance(api, other)) == (Decimal(0), Decimal(60))
    kinds = [item["kind"] for item in (await api.get(f"{ACCOUNTS}/{other}/entries")).json()["items"]]
    assert kinds == ["transfer", "transfer", "correction"]
    assert verify().exit_code == 0


@pytest.mark.safety
async def test_points_are_reached_with_their_owner(api, company):
    owner = Principal("points-service", frozenset({Held.SERVICE_MANAGER}), ("points-unit",))
    stranger = Principal("points-other", frozenset({Held.SERVICE_MANAGER}), ("other-unit",))
    with acting_as(access_of(owner)):
        customer = (await api.post(CUSTOMERS, company())).json()["id"]
        made = await give(api, customer, "10")
        assert made.status_code == 201, made.text
        spent = await redeem(api, customer, "4")
        back = await api.post(
            f"{ACCOUNTS}/{customer}/entries/{spent.json()['entry']['id']}/reversal", {"reason": "x"}
        )
        assert back.json()["balance"] == "10.00"
    me = Principal("points-portal", frozenset({Held.CUSTOMER}), customer=customer)
    with acting_as(access_of(me)):
        assert await balance(api, customer) == Decimal(10)
        assert len((await api.get(f"{ACCOUNTS}/{customer}/entries")).json()["items"]) == 3
        assert (await redeem(api, customer, "1")).status_code == 403
    with acting_as(access_of(stranger)):
        assert (await api.get(f"{ACCOUNTS}/{customer}")).status_code == 404
        assert (await api.get(f"{ACCOUNTS}/{customer}/entries")).status_code == 404
        assert (await give(api, customer, "10")).status_code == 404


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["give", "redeem", "take", "reverse"]),
        st.integers(0, 1),
        st.decimals("0.01", "50", places=2),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.safety
@given(operations=OPERATIONS)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
async def test_whatever_is_done_at_once_adds_up(api, verify, operations):
    customers = []
    for kpp in ("770101003", "770101004"):
        made = await api.post(CUSTOMERS, {"kind": "person", "name": f"Иван {kpp}"})
        customers.append(made.json()["id"])
    firsts = [(await give(api, customer, "20")).json()["entry"]["id"] for customer in customers]

    async def do(kind, which, points):
        customer = customers[which]
        if kind == "reverse":
            address = f"{ACCOUNTS}/{customer}/entries/{firsts[which]}/reversal"
            return await api.post(address, {"reason": "x"})
        signed = -points if kind == "take" else points
        return await (redeem if kind == "redeem" else give)(api, customer, signed)

    answers = await asyncio.gather(*(do(*operation) for operation in operations))
    assert {answer.status_code for answer in answers} <= {201, 409}
    for which, customer in enumerate(customers):
        booked = [
            Decimal(answer.json()["entry"]["points"])
            for answer, operation in zip(answers, operations, strict=True)
            if answer.status_code == 201 and operation[1] == which
        ]
        assert await balance(api, customer) == 20 + sum(booked) >= 0
    assert verify().exit_code == 0


@pytest.mark.safety
async def test_the_database_itself_refuses_what_does_not_balance(books, customer):
    with psycopg.connect(books.admin_url) as owner:
        account = owner.execute(
            "INSERT INTO crm.ledger_account (id, owner, purpose)"
            " VALUES (crm.new_id(), %s, 'points') RETURNING id",
            (customer,),
        ).fetchone()
        owner.commit()
        for lines, amounts in ((2, (5, -4)), (2, (5,)), (3, (5, -5)), (2, (5, -2, -3))):
            _insert(owner, account[0], lines, amounts)
            with pytest.raises(psycopg.errors.CheckViolation) as caught:
                owner.commit()
            assert caught.value.diag.constraint_name == "ledger_entry_balanced"
            owner.rollback()
        _insert(owner, account[0], 2, (5, -5))
        owner.commit()
        for change in (
            "UPDATE crm.ledger_posting SET amount = amount * 2",
            "DELETE FROM crm.ledger_entry",
            "TRUNCATE crm.ledger_posting",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(change)
            owner.rollback()


def _insert(connection, account, lines, amounts):
    entry = uuid4()
    connection.execute(
        "INSERT INTO crm.ledger_entry (id, kind, reference, occurred_at, actor, postings)"
        " VALUES (%s, 'correction', %s, now(), 'test', %s)",
        (entry, str(entry), lines),
    )
    programme = "00000000-0000-7000-8000-000000000003"
    for line, amount in enumerate(amounts, 1):
        connection.execute(
            "INSERT INTO crm.ledger_posting VALUES (%s, %s, %s, %s)",
            (entry, line, account if line == 1 else programme, amount),
        )


@pytest.mark.safety
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE crm.ledger_account SET balance = balance + 1 WHERE owner = {customer}", "every balance is"),
        (
            "UPDATE crm.ledger_posting SET amount = amount + 1 WHERE entry_id = {entry} AND line = 1",
            "sums up to zero",
        ),
        ("DELETE FROM crm.ledger_posting WHERE entry_id = {entry} AND line = 2", "sums up to zero"),
        ("UPDATE crm.ledger_entry SET kind = 'accrual' WHERE id = {entry}", "for a transaction of the feed"),
        (
            "UPDATE crm.ledger_posting SET amount = amount * 3 WHERE entry_id = {reversal}",
            "takes back exactly what it reverses",
        ),
    ],
)
async def test_the_proof_finds_what_was_tampered_with(  # noqa: PLR0917
    api, books, customer, verify, change, found
):
    entry = (await give(api, customer, "10")).json()["entry"]["id"]
    back = await api.post(f"{ACCOUNTS}/{customer}/entries/{entry}/reversal", {"reason": "x"})
    reversal = back.json()["entry"]["id"]
    await give(api, customer, "10")
    assert verify().exit_code == 0
    names = {"customer": f"'{customer}'", "entry": f"'{entry}'", "reversal": f"'{reversal}'"}
    tables = ("ledger_account", "ledger_posting", "ledger_entry")
    with psycopg.connect(books.admin_url, autocommit=True) as intruder:
        intruder.execute("SET session_replication_role = replica")  # no trigger, no constraint trigger
        for table in tables:
            intruder.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM crm.{table}")  # noqa: S608
        intruder.execute(change.format(**names))
        wrong = verify()
        for table in tables:
            intruder.execute(f"DELETE FROM crm.{table}")  # noqa: S608
            intruder.execute(f"INSERT INTO crm.{table} SELECT * FROM kept_{table}")  # noqa: S608
    assert wrong.exit_code == 1
    assert found in wrong.stderr
    assert verify().exit_code == 0


async def test_the_worker_accrues_and_makes_months(api, books, customer, number):
    jobs = {job.name: job.work for job in JOBS}
    token = await card_of(api, customer, number)
    await api.post(FEED, purchase(f"worker:{number}", token, "100"))
    command = Command("test", "worker", None, b"", 10, audited=False)
    while await jobs["accrue-points"](api.database, command):
        pass
    assert await balance(api, customer) == Decimal(1)
    with psycopg.connect(books.admin_url, autocommit=True) as owner:
        last = owner.execute(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits"
            " WHERE inhparent = 'crm.card_transaction_detail'::regclass"
            " AND inhrelid::regclass::text ~ '_[0-9]{4}_[0-9]{2}$'"
        ).fetchone()[0]
        owner.execute(f"DROP TABLE {last}")
        await jobs["months-ahead"](api.database, command)
        assert owner.execute("SELECT to_regclass(%s) IS NOT NULL", (last,)).fetchone() == (True,)

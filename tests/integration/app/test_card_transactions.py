"""The processing feed through the HTTP API: each transaction once (K2)."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.safety

FEED = "/api/v1/card-transactions"


@pytest.fixture
def transaction(number):
    def make(place=0, **changes):
        return {
            "processing_id": f"feed:{number}:{place}",
            "card_token": "tok_9f2c41d07a",
            "station": "АЗС-0012",
            "product": "AI-95",
            "quantity": "45.120",
            "amount": "2710.25",
            "currency": "RUB",
            "occurred_at": "2026-01-02T03:04:05+03:00",
            **changes,
        }

    return make


async def test_a_transaction_enters_once_under_whatever_key(api, transaction, admin):
    answers = [await api.post(FEED, transaction()) for _ in range(2)]
    assert [(a.status_code, a.json()["status"]) for a in answers] == [(201, "accepted"), (200, "duplicate")]
    rows = admin.execute(
        "SELECT count(*) FROM crm.card_transaction WHERE processing_id = %s",
        (transaction()["processing_id"],),
    )
    assert rows.fetchone() == (1,)
    stored = (await api.get(f"{FEED}/{transaction()['processing_id']}")).json()
    assert stored == {**transaction(), "occurred_at": "2026-01-02T00:04:05Z"}


async def test_the_same_id_with_other_content_is_a_conflict(api, transaction):
    await api.post(FEED, transaction())
    for path, body in {
        FEED: transaction(amount="1"),
        f"{FEED}/batch": {"transactions": [transaction(amount="1")]},
    }.items():
        answer = await api.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "transaction-conflict")


async def test_a_batch_takes_what_is_new_and_names_the_rest(api, transaction):
    await api.post(FEED, transaction(1))
    answer = await api.post(f"{FEED}/batch", {"transactions": [transaction(n) for n in (2, 1, 0)]})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"accepted": 2, "duplicates": [transaction(1)["processing_id"]]}


async def test_overlapping_batches_at_once_store_each_transaction_once(api, transaction):
    batches = [range(30), range(29, -1, -1), range(10, 40)]
    answers = await asyncio.gather(
        *(api.post(f"{FEED}/batch", {"transactions": [transaction(n) for n in batch]}) for batch in batches)
    )
    assert [answer.status_code for answer in answers] == [200] * 3
    assert sum(answer.json()["accepted"] for answer in answers) == 40


async def test_a_batch_with_one_bad_row_stores_nothing(api, transaction):
    bad = transaction(1, amount="1.234", card_token="4111 1111 1111 1111")
    answer = await api.post(f"{FEED}/batch", {"transactions": [transaction(0), bad]})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/transactions/1/amount",
        "/transactions/1/card_token",
    }
    assert (await api.get(f"{FEED}/{transaction(0)['processing_id']}")).status_code == 404


async def test_an_id_twice_in_one_batch_is_named(api, transaction):
    answer = await api.post(f"{FEED}/batch", {"transactions": [transaction(0), transaction(0)]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
        422,
        "/transactions/1/processing_id",
    )

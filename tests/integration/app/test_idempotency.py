"""Idempotency keys: one execution for each, the same answer for every repetition."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.safety

REQUESTS = "/api/v1/requests"
CALL = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "Не работает"}


def count(admin, marker):
    return admin.execute("SELECT count(*) FROM crm.request WHERE external_id = %s", (marker,)).fetchone()[0]


async def test_a_repetition_gets_the_stored_answer(api, admin, number):
    body = {**CALL, "external_id": f"replay:{number}"}
    first = await api.post(REQUESTS, body, key=f"replay-{number}")
    second = await api.post(REQUESTS, body, key=f"replay-{number}")
    assert second.status_code == first.status_code == 201
    assert second.content == first.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert [second.headers[name] for name in ("Location", "ETag")] == [
        first.headers[name] for name in ("Location", "ETag")
    ]
    assert count(admin, f"replay:{number}") == 1


async def test_a_write_says_where_it_was_committed(api, admin):
    answer = await api.post(REQUESTS, CALL)
    node, timeline, lsn = (answer.headers[f"Twinsite-{name}"] for name in ("Node", "Timeline", "Lsn"))
    assert (node, timeline) == ("127.0.0.1", "1")
    assert admin.execute("SELECT %s::pg_lsn <= pg_current_wal_flush_lsn()", (lsn,)).fetchone() == (True,)
    assert answer.headers["Twinsite-Site"] == "dc1"


async def test_the_key_of_another_request_is_refused(api, number):
    await api.post(REQUESTS, CALL, key=f"reused-{number}")
    answer = await api.post(REQUESTS, {**CALL, "text": "Другое"}, key=f"reused-{number}")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "idempotency-key-missing"), ({"Idempotency-Key": "two words"}, "idempotency-key-invalid")],
)
async def test_a_post_without_a_usable_key_is_refused(api, headers, code):
    answer = await api.http.post(REQUESTS, json=CALL, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_refused_command_leaves_its_key_free(api, number):
    key = f"refused-{number}"
    unknown = {**CALL, "customer_id": "0198c0de-0000-7000-8000-000000000000"}
    assert (await api.post(REQUESTS, unknown, key=key)).status_code == 422
    assert (await api.post(REQUESTS, CALL, key=key)).status_code == 201


async def test_concurrent_requests_with_one_key_execute_once(api, admin, number):
    body = {**CALL, "external_id": f"race:{number}"}
    answers = await asyncio.gather(*(api.post(REQUESTS, body, key=f"race-{number}") for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(a.json()["code"] == "idempotency-key-in-progress" for a in answers if a.status_code == 409)
    assert all("Retry-After" in a.headers for a in answers if a.status_code == 409)
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert count(admin, f"race:{number}") == 1


async def test_a_change_may_be_repeated_under_a_key(api, company, number):
    address = (await api.post("/api/v1/customers", company())).headers["Location"]
    headers = {"If-Match": '"1"', "Idempotency-Key": f"change-{number}"}
    answers = [await api.http.patch(address, json={"name": "Имя"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content

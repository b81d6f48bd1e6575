"""Requests of customers through the HTTP API: register, take, close, with their history (R1, R2, R12)."""

from __future__ import annotations

import asyncio

REQUESTS = "/api/v1/requests"
CALL = {
    "channel": "call",
    "topic": "cards",
    "subject": "Карта не  работает",
    "text": "На АЗС 12 не прошла оплата",
}


async def test_a_request_lives_from_registration_to_closing(api, number):
    marker = f"run-1:operator:{number}"
    made = await api.post(REQUESTS, {**CALL, "external_id": marker})
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["subject"]) == ("new", "Карта не работает")
    address = made.headers["Location"]
    taken = await api.post(f"{address}/take", {"operator": "petrova", "note": f"{marker}:take"})
    assert (taken.status_code, taken.json()["status"], taken.json()["assignee"]) == (
        200,
        "in_progress",
        "petrova",
    )
    closed = await api.post(f"{address}/close", {"operator": "petrova", "resolution": "Разблокирована"})
    assert (closed.status_code, closed.json()["status"], closed.headers["ETag"]) == (200, "closed", '"3"')
    card = (await api.get(address)).json()
    history = card.pop("history")
    assert card == closed.json()
    assert [(event["version"], event["kind"], event["actor"], event["note"]) for event in history] == [
        (1, "registered", "anonymous", None),
        (2, "taken", "petrova", f"{marker}:take"),
        (3, "closed", "petrova", None),
    ]
    assert [event["at"] for event in history] == [card["created_at"], card["taken_at"], card["closed_at"]]


async def test_a_step_out_of_order_names_the_present_state(api):
    address = (await api.post(REQUESTS, CALL)).headers["Location"]
    answer = await api.post(f"{address}/close", {"operator": "petrova", "resolution": "…"})
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "wrong-state", "new")


async def test_two_operators_cannot_take_the_same_request(api):
    address = (await api.post(REQUESTS, CALL)).headers["Location"]
    answers = await asyncio.gather(
        *(api.post(f"{address}/take", {"operator": name}) for name in ("petrova", "sidorov", "orlov"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    winner = next(answer.json()["assignee"] for answer in answers if answer.status_code == 200)
    card = (await api.get(address)).json()
    assert card["assignee"] == winner
    assert len(card["history"]) == 2


async def test_a_request_of_an_unknown_customer_is_refused(api):
    answer = await api.post(REQUESTS, {**CALL, "customer_id": "0198c0de-0000-7000-8000-000000000000"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-customer")
    assert answer.json()["errors"][0]["pointer"] == "/customer_id"


async def test_lists_are_filtered(api, company, number):
    customer = (await api.post("/api/v1/customers", company())).json()["id"]
    mine = [(await api.post(REQUESTS, {**CALL, "customer_id": customer})).json()["id"] for _ in range(3)]
    await api.post(f"{REQUESTS}/{mine[0]}/take", {"operator": f"petrova-{number}"})
    for query, expected in {
        f"customer_id={customer}": mine[::-1],
        f"customer_id={customer}&status=new": [mine[2], mine[1]],
        f"assignee=petrova-{number}": [mine[0]],
    }.items():
        page = (await api.get(f"{REQUESTS}?{query}")).json()
        assert [item["id"] for item in page["items"]] == expected
        assert page["next"] is None

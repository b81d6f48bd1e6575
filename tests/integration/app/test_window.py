"""The single window: one call returns the whole card (C6)."""

from __future__ import annotations

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.customers.sections import NAMES

CUSTOMERS, REQUESTS, CALLS = "/api/v1/customers", "/api/v1/requests", "/api/v1/calls"


async def _filled(api, company, number, admin):
    """A customer with a request, a note on it, a call, a card and a purchase."""
    phone = f"+7916{number % 10_000_000:07}"
    contacts = [{"kind": "phone", "value": phone, "person": "Иванов Иван"}]
    card = (await api.post(CUSTOMERS, company(contacts=contacts))).json()
    form = {"customer_id": card["id"], "channel": "call", "topic": "cards", "subject": "Карта", "text": "?"}
    request = (await api.post(REQUESTS, form)).json()
    note = {"direction": "internal", "channel": "api", "author": "petrova", "text": "Перезвонить завтра"}
    assert (await api.post(f"{REQUESTS}/{request['id']}/messages", note)).status_code == 201
    call = {"external_id": f"c-{number}", "direction": "in", "phone": phone, "customer_id": card["id"]}
    await api.post(CALLS, {**call, "started_at": "2026-01-02T03:04:05Z"})
    token = f"tok-{number}"
    admin.execute(
        "INSERT INTO crm.card (id, token, bin, last_four, number_sealed, key_version, customer_id, status,"
        " products, stations, version, created_at, changed_at)"
        " VALUES (gen_random_uuid(), %s, '700000', '4242', '', 1, %s, 'active', '{}', '{}', 1, now(), now())",
        (token, card["id"]),
    )
    admin.execute(
        "INSERT INTO crm.card_transaction_detail (processing_id, card_token, station, product, quantity,"
        " amount, currency, occurred_at, received_at)"
        " VALUES (%s, %s, 'АЗС-0012', 'AI-95', 40, 2200, 'RUB', now(), now())",
        (f"p-{number}", token),
    )
    points = {"reference": f"welcome-{number}", "points": "150", "reason": "Привет"}
    assert (await api.post(f"/api/v1/loyalty-accounts/{card['id']}/corrections", points)).status_code == 201
    return card, request


async def test_one_call_returns_everything_about_the_customer(api, company, number, admin):
    card, request = await _filled(api, company, number, admin)
    answer = await api.get(f"{CUSTOMERS}/{card['id']}/window")
    assert answer.status_code == 200, answer.text
    window = answer.json()
    assert window["customer"] == card
    assert [each["id"] for each in window["open_requests"]] == [request["id"]]
    assert window["closed_requests"] == []
    assert [each["body"] for each in window["notes"]] == ["Перезвонить завтра"]
    assert [each["started_at"] for each in window["calls"]] == ["2026-01-02T03:04:05Z"]
    assert [(each["last_four"], each["status"]) for each in window["cards"]] == [("4242", "active")]
    assert [(each["station"], each["amount"]) for each in window["transactions"]] == [("АЗС-0012", "2200.00")]
    assert window["points"] == [{"balance": "150.00"}]
    assert window["contracts"] == window["deals"] == window["orders"] == window["claims"] == []
    assert window["bookings"] == window["profile"] == window["withheld"] == []


async def test_a_role_sees_the_sections_that_are_meant_for_it(api, company, number, admin):
    card, request = await _filled(api, company, number, admin)
    auditor = Principal("auditor", frozenset({Held.AUDITOR}))
    portal = Principal("portal", frozenset({Held.CUSTOMER}), customer=card["id"])
    channel = Principal("mail", frozenset({Held.CHANNEL}))
    shown = {}
    for principal in (auditor, portal, channel):
        with acting_as(access_of(principal)):
            answer = await api.get(f"{CUSTOMERS}/{card['id']}/window")
        assert answer.status_code == 200, answer.text
        shown[principal.id] = answer.json()
    assert shown["auditor"]["customer"]["inn"].startswith("******")
    assert shown["portal"]["withheld"] == ["profile", "notes", "calls", "deals"]
    assert shown["portal"]["notes"] is None
    assert [each["id"] for each in shown["portal"]["open_requests"]] == [request["id"]]
    assert shown["mail"]["withheld"] == [
        *("bookings", "contracts", "deals", "orders", "claims"),
        *("cards", "transactions", "points"),
    ]
    assert all(set(window["withheld"]) <= set(NAMES) for window in shown.values())


async def test_what_is_out_of_reach_has_no_window(api, company, number, admin):
    card, _ = await _filled(api, company, number, admin)
    stranger = Principal("stranger", frozenset({Held.SALES_MANAGER}))
    with acting_as(access_of(stranger)):
        assert (await api.get(f"{CUSTOMERS}/{card['id']}/window")).status_code == 404


async def test_the_window_of_a_merged_card_leads_on(api, company):
    target = (await api.post(CUSTOMERS, company())).json()
    source = (await api.post(CUSTOMERS, company(kpp="770102001"))).json()
    merge = {"source_id": source["id"], "reason": "Дубль"}
    assert (await api.post(f"{CUSTOMERS}/{target['id']}/merges", merge)).status_code == 201
    answer = await api.get(f"{CUSTOMERS}/{source['id']}/window")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{CUSTOMERS}/{target['id']}/window")

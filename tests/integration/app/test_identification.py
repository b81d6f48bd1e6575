"""Who is calling, and what may be told them, by the topic's scenario (C7)."""

from __future__ import annotations

import hashlib

import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as

CUSTOMERS, IDENTIFICATIONS = "/api/v1/customers", "/api/v1/identifications"
OPERATOR = Principal("petrova", frozenset({Held.OPERATOR}))


@pytest.fixture
def name(number):
    """Unlike that of any other test, typing errors forgiven."""
    digest = hashlib.sha256(str(number).encode()).digest()[:10]
    return "".join(chr(ord("а") + byte % 32) for byte in digest).capitalize()


@pytest.fixture
def phone(number):
    return f"+7917{number % 10_000_000:07}"


@pytest.fixture
async def customer(api, company, name, phone):
    contacts = [{"kind": "phone", "value": phone, "person": "Иванов Иван"}]
    return (await api.post(CUSTOMERS, company(name=f"ООО «{name}»", contacts=contacts))).json()


async def _identify(api, **said):
    answer = await api.post(IDENTIFICATIONS, {"topic": "cards", **said})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def _entitle(api, customer, **form):
    answer = await api.post(
        f"{CUSTOMERS}/{customer['id']}/representatives", {"name": "Сидорова Анна", **form}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_company_and_name_lead_to_the_card_and_say_what_is_still_needed(api, customer, name):
    found = await _identify(api, company=name, person="иванов иван")
    assert (found["outcome"], found["customer_id"]) == ("more_needed", customer["id"])
    assert (found["level"], found["levels"], found["scenario"]) == (1, 2, "commercial")
    assert found["confirmed"] == ["company", "person"]
    assert found["needed"] == ["representative"]
    assert found["may_tell"] == ["general", "open_requests", "closed_requests"]


async def test_a_phone_leads_to_the_card_but_proves_little(api, customer, phone):
    found = await _identify(api, phone=phone.replace("+7", "8"))
    assert (found["customer_id"], found["level"]) == (customer["id"], 0)
    assert found["needed"] == ["company", "person"]
    assert found["may_tell"] == ["general"]


async def test_a_representative_with_authority_for_the_topic_reaches_the_confidential_level(
    api, customer, name
):
    entitled = await _entitle(api, customer, topics=["cards"])
    said = {"company": name, "person": "Сидорова Анна"}
    found = await _identify(api, **said)
    assert (found["outcome"], found["level"], found["needed"]) == ("identified", 2, [])
    assert {"customer", "cards", "transactions"} <= set(found["may_tell"])
    assert (await _identify(api, **said, topic="contracts"))["level"] == 0, "no authority for that topic"
    revoked = await api.post(f"{CUSTOMERS}/{customer['id']}/representatives/{entitled['id']}/revoke", {})
    assert revoked.json()["revoked_at"] is not None
    assert (await _identify(api, **said))["level"] == 0, "the company does not know her any more"


@pytest.mark.safety
async def test_what_contradicts_the_card_lets_nobody_in(api, customer, name):
    await _entitle(api, customer)
    found = await _identify(api, company=name, person="Сидорова Анна", inn="7707083893")
    assert (found["level"], found["wrong"], found["may_tell"]) == (0, ["inn"], ["general"])


async def test_nobody_is_registered_as_unidentified(api, number):
    found = await _identify(api, company=f"Нетакой{number}", phone="+79990000001")
    assert (found["outcome"], found["customer_id"], found["candidates"]) == ("unidentified", None, [])
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "?", "sender": "+79990000001"}
    request = await api.post("/api/v1/requests", form)
    assert (request.status_code, request.json()["customer_id"]) == (201, None)
    window = await api.get(f"{IDENTIFICATIONS}/{found['id']}/window")
    assert (window.status_code, window.json()["state"]) == (409, "unidentified")


async def test_several_cards_of_one_phone_are_told_apart(api, company, customer, name, phone):
    contacts = [{"kind": "phone", "value": phone}]
    branch = (
        await api.post(CUSTOMERS, company(kpp="770102001", name="АО «Филиал»", contacts=contacts))
    ).json()
    found = await _identify(api, phone=phone)
    assert (found["outcome"], found["may_tell"]) == ("ambiguous", ["general"])
    assert {each["id"] for each in found["candidates"]} == {customer["id"], branch["id"]}
    assert (await _identify(api, phone=phone, company=name))["customer_id"] == customer["id"]
    assert (await _identify(api, phone=phone, customer_id=branch["id"]))["customer_id"] == branch["id"]


@pytest.mark.safety
async def test_no_more_is_shown_than_may_be_told(api, customer, name):
    with acting_as(access_of(OPERATOR)):
        found = await _identify(api, company=name, person="Иванов Иван")
        window = (await api.get(f"{IDENTIFICATIONS}/{found['id']}/window")).json()
    assert window["open_requests"] == []
    assert window["cards"] is window["transactions"] is window["notes"] is None
    assert window["customer"]["name"] == customer["name"]
    assert (window["customer"]["inn"], window["customer"]["contacts"]) == (None, [])
    await _entitle(api, customer)
    with acting_as(access_of(OPERATOR)):
        found = await _identify(api, company=name, person="Сидорова Анна")
        window = (await api.get(f"{IDENTIFICATIONS}/{found['id']}/window")).json()
    assert window["customer"]["inn"] == customer["inn"]
    assert window["cards"] == window["transactions"] == []


@pytest.mark.safety
async def test_anothers_identification_is_nobody_elses(api, customer, name):
    with acting_as(access_of(OPERATOR)):
        found = await _identify(api, company=name, person="Иванов Иван")
    with acting_as(access_of(Principal("sidorov", frozenset({Held.OPERATOR})))):
        assert (await api.get(f"{IDENTIFICATIONS}/{found['id']}/window")).status_code == 404


async def test_an_administrator_changes_the_scenario(api, customer, name, number):
    scenario = {
        "code": f"strict-{number}",
        "title": {"ru": "Строго", "en": "Strict", "kk": "Қатаң"},
        "levels": [{"needs": ["inn", "company"], "may_tell": ["cards"]}],
    }
    assert (await api.post("/api/v1/identification-scenarios", scenario)).status_code == 201
    topic = (await api.get("/api/v1/topics/general")).json()["content"]
    answer = await api.post(
        "/api/v1/topics", {**topic, "code": f"strict-{number}", "scenario": scenario["code"]}
    )
    assert answer.status_code == 201, answer.text
    found = await _identify(api, topic=f"strict-{number}", company=name, inn=customer["inn"])
    assert (found["outcome"], found["may_tell"]) == ("identified", ["general", "cards"])
    unknown = await api.post("/api/v1/topics", {**topic, "code": f"x-{number}", "scenario": "nobody-knows"})
    assert unknown.status_code == 422
    same = [{"needs": ["inn"], "may_tell": ["cards"]}, {"needs": ["inn"], "may_tell": ["customer"]}]
    refused = await api.post(
        "/api/v1/identification-scenarios", {**scenario, "code": f"bad-{number}", "levels": same}
    )
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"topic": "no-such-topic"}, "/topic"),
        ({"customer_id": "0198c0de-0000-7000-8000-000000000000"}, "/customer_id"),
    ],
)
async def test_what_does_not_exist_is_named(api, said, pointer):
    answer = await api.post(IDENTIFICATIONS, {"topic": "cards", **said})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)

"""The clients' feed and messenger, and the chat with the service manager (S9)."""

from __future__ import annotations

import pytest

from app.access.policy import Role as Held
from tests.integration.app.sales import asking


@pytest.fixture
def unit(number):
    """A service unit whose chats are this test's alone."""
    return f"unit-{number}"


@pytest.fixture
async def clients(api, admin, company, number, unit):
    """Two companies with an account in the portal each, the first in the zone of the service unit."""
    with asking("service", Held.SERVICE_MANAGER, units=(unit,)):
        card = (await api.post("/api/v1/customers", company())).json()
    other = (await api.post("/api/v1/customers", {"kind": "person", "name": f"Другой {number}"})).json()
    names = (f"alfa-{number}", f"beta-{number}")
    for name, customer in zip(names, (card, other), strict=True):
        admin.execute(
            "INSERT INTO crm.account (id, kind, title, roles, customer, password_hash)"
            " VALUES (%s, 'person', %s, '{customer}', %s, 'x')",
            (name, f"Клиент {name}", customer["id"]),
        )
    return (names[0], card["id"]), (names[1], other["id"])


def client(who):
    return asking(who[0], Held.CUSTOMER, customer=who[1])


async def test_clients_read_each_others_news_and_hide_their_own(api, clients, admin):
    alfa, beta = clients
    with client(alfa):
        post = (
            await api.post("/api/v1/posts", {"category": "experience", "text": "Перешли на Genesis"})
        ).json()
    with client(beta):
        feed = (await api.get(f"/api/v1/posts?author={alfa[0]}&category=experience")).json()["items"]
        assert [item["text"] for item in feed] == ["Перешли на Genesis"]
        assert (await api.get(f"/api/v1/posts?author={alfa[0]}&category=event")).json()["items"] == []
        hidden = await api.http.post(f"/api/v1/posts/{post['id']}/hide", headers={"Idempotency-Key": "h1"})
        assert hidden.status_code == 404, "it is not theirs"
    with asking("ivanov", Held.SALES_MANAGER):
        assert (await api.get("/api/v1/posts")).status_code == 403
    with client(alfa):
        hidden = await api.http.post(f"/api/v1/posts/{post['id']}/hide", headers={"Idempotency-Key": "h2"})
        assert hidden.json()["hidden"] is True, hidden.text
        assert (await api.get(f"/api/v1/posts?author={alfa[0]}")).json()["items"] == []
    left = admin.execute(
        "SELECT type FROM crm.outbox WHERE entity = %s ORDER BY seq", (f"post:{post['id']}",)
    ).fetchall()
    assert [kind for (kind,) in left] == ["post.published", "post.hidden"]


@pytest.mark.safety
async def test_letters_are_between_two_and_newest_come_first(api, clients):
    alfa, beta = clients
    letters = f"/api/v1/conversations/{beta[0]}/messages"
    with client(alfa):
        assert beta[0] in {
            member["name"] for member in (await api.get("/api/v1/members?limit=200")).json()["items"]
        }
        for text in ("Здравствуйте", "Есть вопрос"):
            assert (await api.post(letters, {"text": text})).status_code == 201
        assert (
            await api.post("/api/v1/conversations/nobody-at-all/messages", {"text": "?"})
        ).status_code == 422
    with client(beta):
        mine = (await api.get("/api/v1/conversations")).json()["items"]
        assert [(each["peer"], each["text"], each["unread"]) for each in mine] == [
            (alfa[0], "Есть вопрос", 2)
        ]
        read = await api.http.post(
            f"/api/v1/conversations/{alfa[0]}/read", headers={"Idempotency-Key": alfa[0]}
        )
        assert read.json() == {"read": 2}, read.text
        answer = await api.post(f"/api/v1/conversations/{alfa[0]}/messages", {"text": "Слушаю"})
        assert answer.status_code == 201
    with client(alfa):
        seen = (await api.get(letters)).json()["items"]
        assert [letter["text"] for letter in seen] == ["Слушаю", "Есть вопрос", "Здравствуйте"]
        assert seen[1]["read_at"] is not None
    with asking("admin", Held.ADMINISTRATOR):
        assert (await api.get(letters)).json()["items"] == [], "letters are nobody else's"


async def test_a_client_chats_with_the_managers_of_its_zone(api, clients, unit):
    (name, customer), _ = clients
    chat = f"/api/v1/chats/{customer}/messages"
    with client((name, customer)):
        assert (await api.post(chat, {"text": "Где мой заказ?"})).status_code == 201
    with asking("service", Held.SERVICE_MANAGER, units=(unit,)):
        waiting = (await api.get("/api/v1/chats")).json()["items"]
        assert (waiting[0]["text"], waiting[0]["of_customer"]) == ("Где мой заказ?", True)
        assert (await api.post(chat, {"text": "Отгружен вчера"})).json()["of_customer"] is False
    with client((name, customer)):
        texts = [each["text"] for each in (await api.get(chat)).json()["items"]]
        assert texts == ["Отгружен вчера", "Где мой заказ?"]
    for stranger in (asking("far", Held.SERVICE_MANAGER, units=("south",)), client(clients[1])):
        with stranger:
            assert (await api.get(chat)).status_code == 404
            assert (await api.post(chat, {"text": "?"})).status_code == 404


async def test_who_asks_for_the_chat_of_a_merged_card_is_led_on(api, clients, unit):
    (_, kept), _ = clients
    with asking("service", Held.SERVICE_MANAGER, units=(unit,)):
        form = {"kind": "company", "name": "Без реквизитов"}
        merged = (await api.post("/api/v1/customers", form)).json()["id"]
        for customer, text in (merged, "Раньше"), (kept, "Позже"):
            answer = await api.post(f"/api/v1/chats/{customer}/messages", {"text": text})
            assert answer.status_code == 201, answer.text
        form = {"source_id": merged, "reason": "Дубль"}
        answer = await api.post(f"/api/v1/customers/{kept}/merges", form)
        assert answer.status_code == 201, answer.text
        for customer in kept, merged:
            page = (await api.get(f"/api/v1/chats/{customer}/messages?limit=1")).json()
            rest = (await api.get(page["next"])).json()
            assert [each["text"] for each in (*page["items"], *rest["items"])] == ["Позже", "Раньше"]
    with asking("far", Held.SERVICE_MANAGER, units=("south",)):
        assert (await api.get(f"/api/v1/chats/{merged}/messages")).status_code == 404

"""Promotions through the HTTP API (C6): "оператор идентифицирует клиента, видит информацию о бонусном счете,
истории покупок и акциях для клиента"; "программы, ориентированные на ту или иную целевую аудиторию".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.database.statements import Statements
from app.devserver import create_crm_database
from app.roles import Role

PROMOTIONS, CUSTOMERS = "/api/v1/promotions", "/api/v1/customers"
ADMINISTRATOR = Principal("admin", frozenset({Held.ADMINISTRATOR}))
OPERATOR = Principal("petrova", frozenset({Held.OPERATOR}))
TITLE = {"ru": "Двойные баллы", "en": "Double points", "kk": "Екі еселенген ұпай"}
TEXT = {"ru": "За каждую заправку в выходные", "en": "At weekends", "kk": "Демалыс күндері"}


def asking(principal):
    return acting_as(access_of(principal))


@pytest.fixture(scope="module")
def base(postgres_server):
    """One of their own: a promotion for everybody would be every other test's too."""
    return create_crm_database(postgres_server, "promotions")


@pytest.fixture
async def api(base, start_api):
    async with start_api(base.url()) as api:
        yield api
    with psycopg.connect(base.admin_url, autocommit=True) as admin:
        admin.execute("UPDATE crm.promotion SET active = false")  # nor the next one's here


@pytest.fixture
def promotion(number):
    """A form of one that holds now, for everybody, with changes; moments in days from now."""
    began = datetime.now(UTC)

    def make(name, first=-1, last=30, **changes):
        period = {"starts": began + timedelta(first), "ends": began + timedelta(last)}
        moments = {each: moment.isoformat() for each, moment in period.items()}
        return {"code": f"{name}-{number}", "title": TITLE, "text": TEXT, **moments, **changes}

    return make


@pytest.fixture
def enter(api, promotion):
    """Has an administrator enter it."""

    async def make(name, *period, **changes):
        with asking(ADMINISTRATOR):
            answer = await api.post(PROMOTIONS, promotion(name, *period, **changes))
        assert answer.status_code == 201, answer.text
        return answer

    return make


async def shown(api, customer, principal=OPERATOR):
    """The names of those in the window."""
    with asking(principal):
        answer = await api.get(f"{CUSTOMERS}/{customer['id']}/window")
    assert answer.status_code == 200, answer.text
    promotions = answer.json()["promotions"]
    return None if promotions is None else [each["code"].rpartition("-")[0] for each in promotions]


async def test_the_operator_sees_which_promotions_hold_for_the_customer_now(api, customer, enter):
    made = (await enter("holds")).json()
    await enter("over", -9, -1)
    await enter("to-come", 1, 9)
    await enter("withdrawn", active=False)
    with asking(OPERATOR):
        window = (await api.get(f"{CUSTOMERS}/{customer['id']}/window")).json()
    told = {name: made["content"][name] for name in ("code", "title", "text", "starts", "ends")}
    assert window["promotions"] == [told]
    assert window["promotions"][0]["title"] == TITLE


async def test_the_window_stays_one_round_trip(api, customer, enter, monkeypatch):
    await enter("holds")
    sent, send = [], Statements.send

    async def counted(statements):
        sent.append(statements)
        await send(statements)

    monkeypatch.setattr(Statements, "send", counted)
    assert await shown(api, customer) == ["holds"]
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"kinds": ["company"]}, True),
        ({"kinds": ["person"]}, False),
        ({"kinds": ["person", "company"]}, True),
        ({"stages": ["customer"]}, True),
        ({"stages": ["lead"]}, False),
        ({"customer_types": ["budget"]}, True),
        ({"customer_types": ["commercial"]}, False),
        ({"regions": ["23", "77"]}, True),
        ({"regions": ["23"]}, False),
        ({"kinds": ["company"], "regions": ["77"], "customer_types": ["budget"]}, True),
        ({"kinds": ["company"], "regions": ["23"], "customer_types": ["budget"]}, False),
    ],
)
async def test_a_promotion_is_for_its_audience(api, customer, enter, asked, fits):
    profile = {"region": "77", "customer_type": "budget"}
    answer = await api.http.put(f"{CUSTOMERS}/{customer['id']}/service-profile", json=profile)
    assert answer.status_code == 200, answer.text
    await enter("aimed", **asked)
    assert await shown(api, customer) == (["aimed"] if fits else [])


async def test_of_a_customer_without_a_profile_nothing_is_guessed(api, customer, enter):
    await enter("for-a-region", regions=["77"])
    await enter("for-a-type", customer_types=["commercial"])
    await enter("for-all")
    assert await shown(api, customer) == ["for-all"]


async def test_those_that_end_first_stand_first_and_there_are_twenty(api, customer, enter):
    for days in range(21, 0, -1):
        await enter(f"ends-{days:02}", -1, days)
    assert await shown(api, customer) == [f"ends-{days:02}" for days in range(1, 21)]


async def test_an_administrator_changes_it_and_ends_it(api, customer, enter, promotion, base):
    made = await enter("holds")
    address, form = made.headers["Location"], promotion("holds")
    with asking(ADMINISTRATOR):
        aimed = {**form, "kinds": ["person"]}
        changed = await api.http.put(address, json=aimed, headers={"If-Match": made.headers["ETag"]})
        assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"'), changed.text
        assert await shown(api, customer) == []
        assert (await api.http.put(address, json=form, headers={"If-Match": '"2"'})).status_code == 200
        assert await shown(api, customer) == ["holds"]
        late = await api.http.put(address, json=form, headers={"If-Match": '"2"'})
        assert (late.status_code, late.json()["code"]) == (412, "version-mismatch")
        over = promotion("holds", -1, -0.5)
        assert (await api.http.put(address, json=over, headers={"If-Match": '"3"'})).status_code == 200
        versions = (await api.get(f"{address}/versions")).json()["items"]
    assert await shown(api, customer) == []
    assert [(each["version"], each["content"]["kinds"]) for each in versions] == [
        *((4, []), (3, []), (2, ["person"]), (1, [])),
    ]
    with psycopg.connect(base.admin_url) as admin:
        told = admin.execute(
            "SELECT count(*) FROM (SELECT entity, data FROM crm.outbox UNION ALL SELECT entity, data"
            " FROM crm.event) AS e WHERE e.entity = %s AND e.data->>'changed_by' = 'admin'",
            (f"directory:promotions/{form['code']}",),
        ).fetchone()
    assert told == (4,)


@pytest.mark.safety
async def test_a_promotion_is_entered_once(api, promotion):
    form = promotion("once")
    first = await api.post(PROMOTIONS, form, key=form["code"])
    again = await api.post(PROMOTIONS, form, key=form["code"])
    other = await api.post(PROMOTIONS, form)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "already-exists")
    assert other.json()["existing"] == first.headers["Location"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"regions": ["77", "nowhere"]}, "/regions"),
        ({"kinds": ["horse"]}, "/kinds/0"),
        ({"text": {"ru": "Только по-русски"}}, "/text/en"),
        ({"starts": "2026-02-01T00:00:00Z", "ends": "2026-02-01T00:00:00Z"}, ""),
        ({"ends": None}, "/ends"),
    ],
)
async def test_a_wrong_field_is_named(api, promotion, changes, pointer):
    answer = await api.post(PROMOTIONS, promotion("wrong", **changes))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation"), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await api.get(f"{PROMOTIONS}/{promotion('wrong')['code']}")).status_code == 404


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ru", "Недопустимое значение: ends (окончание) должно быть позже starts (начала)"),
        ("kk", "Жарамсыз мән: ends (аяқталуы) starts-тан (басталуынан) кейін болуы керек"),
    ],
)
async def test_what_is_wrong_is_said_in_the_readers_language(api, promotion, language, said):
    answer = await api.post(PROMOTIONS, promotion("wrong", 2, 1), **{"Accept-Language": language})
    assert [error["detail"] for error in answer.json()["errors"]] == [said]


@pytest.mark.safety
async def test_who_reads_the_card_sees_them_and_only_administrators_edit(api, customer, enter, promotion):
    await enter("holds")
    for role in (Held.AUDITOR, Held.CHANNEL, Held.OPERATOR):
        assert await shown(api, customer, Principal("x", frozenset({role}))) == ["holds"], role
    for role in set(Held) - {Held.ADMINISTRATOR, Held.SYSTEM}:
        with asking(Principal("x", frozenset({role}), customer=customer["id"])):
            made = await api.post(PROMOTIONS, promotion("other"))
            path = f"{PROMOTIONS}/{promotion('holds')['code']}"
            changed = await api.http.put(path, json=promotion("holds"), headers={"If-Match": "*"})
        assert (made.status_code, changed.status_code) == (403, 403), role


@pytest.mark.safety
async def test_a_client_in_the_portal_sees_those_for_the_own_company_alone(api, customer, enter):
    await enter("for-companies", kinds=["company"])
    await enter("for-persons", kinds=["person"])
    other = {"kind": "person", "name": "Иванов Иван"}
    person = (await api.post(CUSTOMERS, other)).json()
    client = Principal("portal", frozenset({Held.CUSTOMER}), customer=customer["id"])
    assert await shown(api, customer, client) == ["for-companies"]
    with asking(client):
        assert (await api.get(f"{CUSTOMERS}/{person['id']}/window")).status_code == 404
        for path in (PROMOTIONS, f"{PROMOTIONS}/for-persons", f"{PROMOTIONS}/for-persons/versions"):
            assert (await api.get(path)).status_code == 403, "the directory names everybody's"


@pytest.mark.safety
async def test_the_database_keeps_them_from_who_has_to_do_with_neither_cards_nor_directories(base, enter):
    """Whatever the API would let through."""
    await enter("holds")
    with psycopg.connect(base.url(Role.APP), autocommit=True) as connection:
        seen = {}
        for granted in ("{card:*}", "{customer:unit=north}", "{directory:*}"):
            with connection.transaction():
                connection.execute("SELECT crm.act('x', %s, %s, %s, NULL)", (granted, granted, granted))
                count = "SELECT count(*) FROM crm.promotion WHERE active"
                changed = connection.execute("UPDATE crm.promotion SET active = true WHERE active").rowcount
                seen[granted] = (connection.execute(count).fetchone()[0], changed)
    assert seen == {"{card:*}": (0, 0), "{customer:unit=north}": (1, 0), "{directory:*}": (1, 1)}


async def test_what_a_caller_may_be_told_can_name_them(api, company, enter, number):
    """By the topic's scenario, as an administrator enters it."""
    await enter("holds")
    customer = (await api.post(CUSTOMERS, company(name=f"ООО «Акция {number}»"))).json()
    levels = [{"needs": ["inn"], "may_tell": ["promotions"]}]
    scenario = {"code": f"told-{number}", "title": TITLE, "levels": levels}
    topic = (await api.get("/api/v1/topics/general")).json()["content"]
    assert (await api.post("/api/v1/identification-scenarios", scenario)).status_code == 201
    about = {**topic, "code": scenario["code"], "scenario": scenario["code"]}
    assert (await api.post("/api/v1/topics", about)).status_code == 201
    with asking(OPERATOR):
        caller = {"topic": about["code"], "inn": customer["inn"]}
        found = (await api.post("/api/v1/identifications", caller)).json()
        told = (await api.get(f"/api/v1/identifications/{found['id']}/window")).json()
    assert found["may_tell"] == ["general", "promotions"]
    assert [each["title"] for each in told["promotions"]] == [TITLE]
    assert told["cards"] is None


async def test_who_changed_it_stands_in_the_audit(api, base, enter, promotion):
    address = (await enter("holds")).headers["Location"]
    with asking(ADMINISTRATOR):
        answer = await api.http.put(address, json=promotion("holds"), headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    with psycopg.connect(base.admin_url) as admin:
        entries = admin.execute(
            "SELECT kind, principal, status FROM crm.audit_pending WHERE operation = %s", (f"PUT {address}",)
        ).fetchall()
    assert entries == [("write", "admin", 200)]

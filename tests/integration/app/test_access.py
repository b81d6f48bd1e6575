"""Row-level security: who reaches which row, on a pool of one connection that everybody shares."""
# ruff: noqa: S608  # statements are composed of names from the catalogue

from __future__ import annotations

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.roles import Role

pytestmark = pytest.mark.safety

CUSTOMERS, REQUESTS = "/api/v1/customers", "/api/v1/requests"

IVANOV = Principal("ivanov", frozenset({Held.SALES_MANAGER}), ("north",), ("77",))
PETROVA = Principal("petrova", frozenset({Held.SALES_MANAGER}), ("north",), ("77",))
HEAD = Principal("head-north", frozenset({Held.HEAD}), ("north",))
REGION = Principal("head-77", frozenset({Held.HEAD}), (), ("77",))
OTHER_HEAD = Principal("head-south", frozenset({Held.HEAD}), ("south",), ("23",))
SERVICE = Principal("service", frozenset({Held.SERVICE_MANAGER}), ("north",))
DISTRIBUTOR = Principal("distributor", frozenset({Held.PARTNER_MANAGER}), partner="d1")
OTHER_DISTRIBUTOR = Principal("other-distributor", frozenset({Held.PARTNER_MANAGER}), partner="d2")
OPERATOR = Principal("operator", frozenset({Held.OPERATOR}))
AUDITOR = Principal("auditor", frozenset({Held.AUDITOR}))


def asking(principal):
    return acting_as(access_of(principal))


@pytest.fixture
async def one(crm, start_api):
    """The API on one connection."""
    async with start_api(crm.url(), pool_max_size=1) as api:
        yield api


async def _card(api, owner, company):
    with asking(owner):
        answer = await api.post(CUSTOMERS, company())
    assert answer.status_code == 201, answer.text
    return answer.json()


async def _request(api, owner, customer_id=None):
    form = {"customer_id": customer_id, "channel": "call", "topic": "cards", "subject": "Карта", "text": "?"}
    with asking(owner):
        return await api.post(REQUESTS, form)


async def _sees(api, principal, path):
    with asking(principal):
        return (await api.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("principal", "sees"),
    [
        (IVANOV, True),
        (PETROVA, False),
        (HEAD, True),
        (REGION, True),
        (OTHER_HEAD, False),
        (SERVICE, True),
        (DISTRIBUTOR, False),
        (OPERATOR, True),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
async def test_a_card_and_its_requests_are_seen_in_their_zone_only(one, company, principal, sees):
    card = await _card(one, IVANOV, company)
    request = (await _request(one, IVANOV, card["id"])).json()
    assert await _sees(one, principal, f"{CUSTOMERS}/{card['id']}") is sees
    assert await _sees(one, principal, f"{REQUESTS}/{request['id']}") is sees
    with asking(principal):
        listed = (await one.get(f"{CUSTOMERS}?limit=200")).json()["items"]
        found = (await one.get(f"{CUSTOMERS}/search?q={card['inn']}")).json()["items"]
    assert (card["id"] in {item["id"] for item in listed}) is sees
    assert (card["id"] in {item["customer"]["id"] for item in found}) is sees


async def test_what_is_out_of_reach_cannot_be_changed(one, company):
    card = await _card(one, DISTRIBUTOR, company)
    request = (await _request(one, DISTRIBUTOR, card["id"])).json()
    for stranger in (OTHER_DISTRIBUTOR, IVANOV):
        with asking(stranger):
            changed = await one.http.patch(
                f"{CUSTOMERS}/{card['id']}", json={"name": "Чужой"}, headers={"If-Match": "*"}
            )
            taken = await one.post(f"{REQUESTS}/{request['id']}/take", {"operator": "me"})
        assert (changed.status_code, taken.status_code) == (404, 404)
        assert (await _request(one, stranger, card["id"])).json()["code"] == "unknown-customer"
    with asking(DISTRIBUTOR):
        assert (await one.get(f"{CUSTOMERS}/{card['id']}")).json()["name"] == card["name"]


async def test_a_duplicate_out_of_reach_is_refused_without_its_address(one, company):
    await _card(one, IVANOV, company)
    with asking(PETROVA):
        answer = await one.post(CUSTOMERS, company())
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate-customer")
    assert "existing" not in answer.json()


async def test_a_customer_sees_and_asks_only_for_itself(one, company):
    card = await _card(one, IVANOV, company)
    me = Principal("portal", frozenset({Held.CUSTOMER}), customer=card["id"])
    mine = (await _request(one, me, card["id"])).json()
    assert await _sees(one, me, f"{REQUESTS}/{mine['id']}")
    assert await _sees(one, IVANOV, f"{REQUESTS}/{mine['id']}"), "it lies in the manager's zone"
    assert (await _request(one, me)).status_code == 403, "nobody's request would not be its own"
    with asking(me):
        taken = await one.post(f"{REQUESTS}/{mine['id']}/take", {"operator": "me"})
    assert taken.status_code in (403, 404)
    stranger = Principal(
        "portal-2", frozenset({Held.CUSTOMER}), customer="00000000-0000-0000-0000-000000000001"
    )
    assert not await _sees(one, stranger, f"{REQUESTS}/{mine['id']}")
    assert not await _sees(one, stranger, f"{CUSTOMERS}/{card['id']}")


async def test_personal_data_are_masked(one, company):
    contacts = [{"kind": "phone", "value": "+74951234567", "person": "Иванов Иван"}]
    with asking(OPERATOR):
        card = (await one.post(CUSTOMERS, company(contacts=contacts))).json()
    with asking(AUDITOR):
        seen = (await one.get(f"{CUSTOMERS}/{card['id']}")).json()
    assert seen["contacts"] == [{"kind": "phone", "value": "********4567", "person": "*" * 11}]
    assert seen["inn"] == "******" + card["inn"][-4:]


async def test_an_answer_is_replayed_to_its_owner_only(one, company, number):
    with asking(IVANOV):
        first = await one.post(CUSTOMERS, company(), key=f"own-{number}")
        again = await one.post(CUSTOMERS, company(), key=f"own-{number}")
    with asking(PETROVA):
        other = await one.post(CUSTOMERS, company(), key=f"own-{number}")
    assert (first.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert other.status_code == 409, "her key is another key"


@pytest.fixture
def as_app(crm):
    with psycopg.connect(crm.url(Role.APP), autocommit=True) as connection:
        yield connection


def _tables(connection, condition):
    rows = connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace"
        f" AND c.relkind IN ('r', 'p') AND {condition}"
    )
    return {name for (name,) in rows}


async def test_without_settings_no_row_is_seen(one, company, as_app):
    await _card(one, OPERATOR, company)
    protected = _tables(as_app, "c.relrowsecurity AND has_table_privilege(c.oid, 'SELECT')")
    assert {"customer", "contact", "request"} <= {name.removeprefix("crm.") for name in protected}
    for table in protected:
        assert as_app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


async def test_settings_end_with_their_transaction(one, company):
    card = await _card(one, IVANOV, company)
    async with one.database.primary.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM crm.customer")).fetchone()
    assert row == (0,)
    assert await _sees(one, IVANOV, f"{CUSTOMERS}/{card['id']}")


def test_the_app_role_cannot_go_around(as_app, admin):
    row = admin.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'crm_app'").fetchone()
    assert row == (False, False)
    assert _tables(admin, "c.relrowsecurity AND NOT c.relforcerowsecurity") == set()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_app.execute("ALTER TABLE crm.customer DISABLE ROW LEVEL SECURITY")


def test_every_policy_that_lets_something_in_checks_it(admin):
    rows = admin.execute(
        "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'crm'"
        " AND cmd IN ('ALL', 'INSERT', 'UPDATE') AND with_check IS NULL"
    ).fetchall()
    assert rows == []


def test_the_audit_role_still_reads_everything(crm, admin):
    with psycopg.connect(crm.url(Role.AUDIT)) as audit:
        for table in ("crm.customer", "crm.request", "crm.idempotency_key"):
            statement = f"SELECT count(*) FROM {table}"
            assert audit.execute(statement).fetchone() == admin.execute(statement).fetchone()


async def test_the_release_before_still_serves(one, company, as_app):
    """Hosts are brought up to date one after the other; old gates act as what was trusted then."""
    card = await _card(one, IVANOV, company)
    found = as_app.execute(
        "SELECT c.id::text FROM crm.customer c WHERE (SELECT crm.open_read('old', true)) AND c.id = %s",
        (card["id"],),
    ).fetchone()
    assert found == (card["id"],)
    with as_app.transaction():
        as_app.execute("SELECT crm.open_write('old', 'anonymous', %s)", (f"old-{card['id']}",))
        assert (
            as_app.execute("UPDATE crm.customer SET stage = 'lead' WHERE id = %s", (card["id"],)).rowcount
            == 1
        )

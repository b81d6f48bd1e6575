"""Seeded sales: the same again by the same number, and all of it open to the API."""

from __future__ import annotations

import psycopg
import pytest
from typer.testing import CliRunner

from app.access.policy import Role as Held
from app.cli import app
from app.devserver import create_crm_database
from app.signin.secrets import password_matches
from tests.integration.app.sales import CATALOGUE, CLAIMS, CONTRACTS, DEALS, ORDERS, asking, day, named

PASSWORD = "long enough for all"
SIZES = {"customers": 120, "contracts": 60, "number": 7}
# Without what the base gives by chance: the ids of customers and requests' explanations are compared apart.
LOOK = """
SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)), count(*) FROM (
    SELECT to_jsonb(r) || jsonb_build_object('customer_id', o.external_id) AS t
    FROM crm.{table} r JOIN crm.customer o ON o.id = r.customer_id
    JOIN crm.exact_key k ON k.customer_id = o.id AND k.kind = 'external_id') AS t
"""
TABLES = (
    *("deal", "task", "contract", "sales_order", "claim", "claim_document", "chat_message", "record_event"),
    "request",
)
HASHED = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)), count(*) FROM "
BESIDE = {
    "account": "(SELECT a.id, a.title, a.roles, a.units, a.regions FROM crm.account a) AS t",
    "letter": "crm.letter AS t",
    "zone": "(SELECT o.external_id, o.zone_manager, o.zone_unit, o.zone_region FROM crm.customer o"
    " WHERE o.zone_manager IS NOT NULL) AS t",
}
DIRECTORIES = ("unit", "person", "catalogue_product")


def seed(database, monkeypatch, **changes):
    monkeypatch.setenv("CRM_DATABASE_URL", database.url())
    options = [f"--{name}={value}" for name, value in {**SIZES, **changes}.items()]
    result = CliRunner().invoke(app, ["seed", *options])
    assert result.exit_code == 0, result.output


def found_in(database):
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        counted = {table: connection.execute(LOOK.format(table=table)).fetchone() for table in TABLES}
        counted |= {what: connection.execute(f"{HASHED}{of}").fetchone() for what, of in BESIDE.items()}
        allowed = "SELECT md5(string_agg(p::text, '' ORDER BY p::text)), count(*) FROM crm.contract_product p"
        return counted | {"contract_product": connection.execute(allowed).fetchone()}


@pytest.fixture(scope="module")
def seeded(postgres_server):
    """A base with sales, as the command fills it."""
    database = create_crm_database(postgres_server, "seeded_sales")
    with pytest.MonkeyPatch.context() as monkeypatch:
        seed(database, monkeypatch)
        yield database


def signed_in(database, code):
    """Whoever has that account, as the API would know it."""
    with psycopg.connect(database.admin_url) as connection:
        row = connection.execute(
            "SELECT a.roles, a.units, a.regions, a.customer FROM crm.account a WHERE a.id = %s", (code,)
        ).fetchone()
    (role,), units, regions, customer = row
    zone = {"units": tuple(units), "regions": tuple(regions), "customer": customer and str(customer)}
    return asking(code, Held(role), **zone)


@pytest.fixture
async def desk(seeded, start_api):
    async with start_api(seeded.url(), pool_max_size=4) as api:
        yield api


async def _all(api, path, **wanted):
    query = "&".join(f"{name}={value}" for name, value in {"limit": 200, **wanted}.items())
    answer = await api.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def _step(api, path, record, step, **form):
    answer = await api.post(f"{path}/{record['id']}/{step}", form)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _steps_of(api, path, record):
    """The history, which has a step for each version."""
    steps = await _all(api, f"{path}/{record['id']}/history")
    assert [step["version"] for step in steps] == list(range(1, record["version"] + 1))
    return [step["kind"] for step in steps]


def test_the_same_number_gives_the_same_sales_and_seeding_again_changes_nothing(
    seeded, postgres_server, monkeypatch
):
    first = found_in(seeded)
    assert all(count for _, count in first.values()), first
    seed(seeded, monkeypatch)
    assert found_in(seeded) == first
    again = create_crm_database(postgres_server, "seeded_again")
    seed(again, monkeypatch)
    assert found_in(again) == first
    other = create_crm_database(postgres_server, "seeded_otherwise")
    seed(other, monkeypatch, number=8)
    assert {name for name, found in found_in(other).items() if found == first[name]} == {"zone"}


async def test_the_catalogue_of_a_seeded_customer_has_facets_and_its_goods_can_be_changed(desk):
    contract = (await _all(desk, CONTRACTS, status="active"))[0]
    page = (await desk.get(f"{CATALOGUE}?contract_id={contract['id']}")).json()
    assert len(page["items"]) >= 12
    assert all(
        len(page["facets"][facet]) >= 1 for facet in ("kind", "plant", "line", "standard", "container")
    )
    code = page["items"][0]["product"]
    entry = await desk.get(f"/api/v1/catalogue-products/{code}")
    form = {**entry.json()["content"], "active": False}
    put = await desk.http.put(
        f"/api/v1/catalogue-products/{code}", json=form, headers={"If-Match": entry.headers["ETag"]}
    )
    assert put.status_code == 200, put.text
    versions = (await desk.get(f"/api/v1/catalogue-products/{code}/versions")).json()["items"]
    assert [each["changed_by"] for each in versions] == ["anonymous", "seed"]


async def test_a_seeded_deal_goes_on_to_its_contract(desk):
    deals = await _all(desk, DEALS)
    assert {deal["outcome"] for deal in deals} == {"open", "won", "lost"}
    for deal in deals[:20]:
        kinds = await _steps_of(desk, DEALS, deal)
        assert set(kinds) <= {"opened", "moved"}
    deal = next(each for each in deals if each["stage"] == "offer")
    tasks = await _all(desk, "/api/v1/tasks", deal_id=deal["id"], status="open")
    done = await _step(desk, "/api/v1/tasks", tasks[0], "done")
    assert done["status"] == "done"
    moved = await _step(desk, DEALS, deal, "stage", stage="signed")
    assert (moved["outcome"], moved["version"]) == ("won", deal["version"] + 1)
    found = (await desk.get(f"/api/v1/customers/search?fresh=true&q={deal['number']}")).json()["items"]
    assert [each["customer"]["id"] for each in found] == [deal["customer_id"]]


async def test_a_seeded_contract_is_prolonged_changed_and_ended(desk):
    contracts = await _all(desk, CONTRACTS)
    assert {contract["status"] for contract in contracts} == {"active", "terminated"}
    assert {contract["payment"] for contract in contracts} == {"prepaid", "deferred"}
    contract = next(each for each in contracts if each["valid_until"] and each["status"] == "active")
    path = f"{CONTRACTS}/{contract['id']}"
    assert await _steps_of(desk, CONTRACTS, contract) == ["concluded", "allowed"]
    tag = (await desk.get(path)).headers["ETag"]
    prolonged = await desk.post(f"{path}/prolong", {}, **{"If-Match": tag})
    assert prolonged.json()["valid_until"] > contract["valid_until"], prolonged.text
    listed = (await desk.get(f"{path}/products")).json()["items"]
    fewer = {"agreement": "Доп. соглашение 2", "products": listed[1:]}
    allowed = await desk.http.put(
        f"{path}/products", json=fewer, headers={"If-Match": prolonged.headers["ETag"]}
    )
    assert allowed.status_code == 200, allowed.text
    assert len((await desk.get(f"{path}/products")).json()["items"]) == len(listed) - 1
    ended = await _step(desk, CONTRACTS, contract, "terminate", note="По соглашению")
    assert ended["status"] == "terminated"
    owner = (await desk.get(f"/api/v1/customers/{contract['customer_id']}")).json()
    assert owner["stage"] == "customer"


async def test_seeded_orders_of_every_state_go_on(desk):
    by_state = {
        status: await _all(desk, ORDERS, status=status)
        for status in ("draft", "submitted", "confirmed", "shipped", "completed", "cancelled", "refused")
    }
    assert all(by_state.values()), {status: len(orders) for status, orders in by_state.items()}
    archived = [order for order in by_state["completed"] if order["archived"]]
    assert 0 < len(archived) < len(by_state["completed"])
    for order in (orders[0] for orders in by_state.values()):
        await _steps_of(desk, ORDERS, order)
    assert (await _step(desk, ORDERS, archived[0], "restore"))["archived"] is False
    assert any(order["discount"] for orders in by_state.values() for order in orders)
    for order in by_state["submitted"]:
        assert (await _step(desk, ORDERS, order, "decision", decision="confirm"))["status"] == "confirmed"
        assert (await _step(desk, ORDERS, order, "decision", decision="ship"))["status"] == "shipped"
        assert (await _step(desk, ORDERS, order, "decision", decision="complete"))["amount"] == order[
            "amount"
        ]


async def test_a_seeded_draft_lacks_its_day_only_and_is_ordered(desk):
    endless = {each["id"] for each in await _all(desk, CONTRACTS, status="active") if not each["valid_until"]}
    drafts = [each for each in await _all(desk, ORDERS, status="draft") if each["contract_id"] in endless]
    assert drafts
    for draft in drafts:
        path = f"{ORDERS}/{draft['id']}"
        lacking = named((await desk.get(f"{path}/validation")).json())
        assert lacking.pop("/requisites/wanted_on") == "required"
        # Another test may have taken a product out of the catalogue.
        assert set(lacking.values()) <= {"not-in-contract"}
        if lacking:
            continue
        form = {name: draft[name] for name in ("contract_id", "items", "vehicle", "carrier", "comment")}
        form["requisites"] = {**draft["requisites"], "wanted_on": day(9)}
        filled = await desk.http.put(path, json=form, headers={"If-Match": f'"{draft["version"]}"'})
        assert filled.status_code == 200, filled.text
        assert (await _step(desk, ORDERS, draft, "submit"))["status"] == "submitted"


async def test_seeded_claims_of_all_kinds_have_their_documents_and_are_decided(desk):
    claims = await _all(desk, CLAIMS)
    assert {claim["kind"] for claim in claims} == {"quality", "quantity", "delivery"}
    for claim in claims:
        for document in claim["documents"]:
            file = await desk.get(f"{CLAIMS}/{claim['id']}/documents/{document['id']}")
            assert (len(file.content), file.headers["etag"]) == (document["size"], f'"{document["sha256"]}"')
        await _steps_of(desk, CLAIMS, claim)
        order = (await desk.get(f"{ORDERS}/{claim['order_id']}")).json()
        assert (order["status"], order["customer_id"]) == ("completed", claim["customer_id"])
    for claim in (each for each in claims if each["status"] == "draft"):
        await _step(desk, CLAIMS, claim, "submit")
    for claim in await _all(desk, CLAIMS, status="submitted"):
        request = (await desk.get(f"/api/v1/requests/{claim['request_id']}")).json()
        assert (request["unit"], request["assignee"]) == (claim["unit"], claim["manager"])
        assert claim["unit"].startswith("office-")
        decided = await _step(desk, CLAIMS, claim, "decision", decision="accept", resolution="Замена")
        assert decided["status"] == "accepted"
        taken = await _step(desk, "/api/v1/requests", request, "take", operator=request["assignee"])
        closing = {"operator": request["assignee"], "resolution": "Отгружено"}
        assert (await _step(desk, "/api/v1/requests", taken, "close", **closing))["status"] == "closed"
    for claim in await _all(desk, CLAIMS, status="accepted"):
        settled = await _step(desk, CLAIMS, claim, "decision", decision="settle", resolution="Отгружено")
        assert settled["status"] == "settled"
    requests = await _all(desk, "/api/v1/requests", topic="complaints")
    assert {request["status"] for request in requests} == {"closed"}


async def test_seeded_staff_and_chats(desk):
    units = [unit["content"] for unit in await _all(desk, "/api/v1/units")]
    offices = [unit for unit in units if unit["code"].startswith("office-")]
    assert len(offices) == 7
    assert all(office["head"] for office in offices)
    chats = await _all(desk, "/api/v1/chats")
    assert len(chats) >= 15
    customer = chats[0]["customer_id"]
    with asking("portal", Held.CUSTOMER, customer=customer):
        messages = await _all(desk, f"/api/v1/chats/{customer}/messages")
        assert [message["of_customer"] for message in messages] == [False, True]
        answer = await desk.post(f"/api/v1/chats/{customer}/messages", {"text": "Спасибо"})
        assert answer.status_code == 201


async def test_the_staff_reach_their_customers_and_clients_their_own_and_their_letters(desk, seeded):
    contract = next(each for each in await _all(desk, CONTRACTS) if each["status"] == "active")
    owner = contract["customer_id"]
    card = f"/api/v1/customers/{owner}"
    with psycopg.connect(seeded.admin_url) as connection:
        manager, unit = connection.execute(
            "SELECT o.zone_manager, o.zone_unit FROM crm.customer o WHERE o.id = %s", (owner,)
        ).fetchone()
        client, stranger = connection.execute(
            "SELECT min(a.id) FILTER (WHERE a.customer = o), min(a.id) FILTER (WHERE a.customer <> o)"
            " FROM crm.account a, (VALUES (%s::uuid)) AS v (o)",
            (owner,),
        ).fetchone()
        sender, recipient = connection.execute("SELECT l.sender, l.recipient FROM crm.letter l").fetchone()
    assert unit == contract["unit"] == manager.partition(".")[0]
    for code in (manager, f"{unit}.01", client):
        with signed_in(seeded, code):
            assert (await desk.get(card)).status_code == 200, code
    with signed_in(seeded, stranger):
        assert (await desk.get(card)).status_code == 404
    with signed_in(seeded, sender):
        assert len(await _all(desk, f"/api/v1/conversations/{recipient}/messages")) == 2
        assert recipient in [each["name"] for each in (await desk.get("/api/v1/members")).json()["items"]]


async def test_everybody_seeded_signs_in_by_the_password_of_the_seed(seeded, postgres_server, monkeypatch):
    with psycopg.connect(seeded.admin_url) as connection:
        hashes = connection.execute("SELECT DISTINCT a.password_hash FROM crm.account a").fetchall()
    assert len(hashes) == 1
    assert not password_matches(hashes[0][0], PASSWORD), "nobody was told one"
    base = create_crm_database(postgres_server, "seeded_with_password")
    monkeypatch.setenv("CRM_SEED_PASSWORD", PASSWORD)
    seed(base, monkeypatch, contracts=2, customers=10)
    with psycopg.connect(base.admin_url) as connection:
        ((kept,),) = connection.execute("SELECT DISTINCT a.password_hash FROM crm.account a").fetchall()
    assert password_matches(kept, PASSWORD)

"""What lists, searches, windows, reports and exports show, against a second reading of the table of rules.

The walk (test_walk.py) asks for one thing of somebody else's. Here is a base of many owners, and principals
drawn at random, with any zones and one role or two: each must be shown exactly the rows in reach, no more and
no fewer. What is expected is computed in Python from the rows and `policy.TABLE`, and knows nothing of
labels, gates and policies.
"""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import psycopg
import pytest
from psycopg.rows import dict_row
from stdnum import luhn

from app.access.operations import Need
from app.access.policy import TABLE, Action, Reach, Resource, Role
from app.access.principal import Principal, access_of, acting_as
from app.devserver import create_crm_database

pytestmark = pytest.mark.safety

BASE = "/api/v1"
SECRET = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
SETTINGS = {"authentication": "required", "access_secret": SECRET, "card_keys": f"1:{SECRET}"}
PERIOD = "since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z"
MAKER = Principal("maker", frozenset({Role.SYSTEM}))
CUSTOMERS = 12
DRAWS = 4  # principals a role
LOOKED_INTO = 3  # windows a principal

# Whose a row may be; None: nobody's of that kind.
PEOPLE = ("ivanov", "petrova", None)
UNITS = ("north", "south", None)
REGIONS = ("77", "23", None)
PARTNERS = ("d1", "d2", None)

ZONE = """
UPDATE crm.{table} SET zone_manager = %(manager)s, zone_unit = %(unit)s, zone_region = %(region)s,
       zone_partner = %(partner)s WHERE id = %(id)s
"""
NOTIFICATION = """
INSERT INTO crm.notification (id, recipient, kind, importance, request_id, created_at)
VALUES (crm.new_id(), %s, 'assigned', 'info', %s, now())
"""
# Of each noun: the resource that its rules are for, its table, and who has to do with a row by itself.
RECORDS = {
    "deals": (Resource.DEAL, "deal", "NULL AS carrier"),
    "tasks": (Resource.DEAL, "task", "NULL AS carrier"),
    "contracts": (Resource.CONTRACT, "contract", "NULL AS carrier"),
    "orders": (Resource.ORDER, "sales_order", "CASE WHEN r.status <> 'draft' THEN r.carrier END AS carrier"),
    "claims": (Resource.CLAIM, "claim", "r.manager AS person, r.unit AS unit"),
}
RECORD = """
SELECT r.id, r.customer_id, c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner, {own}
FROM crm.{table} r JOIN crm.customer c ON c.id = r.customer_id
"""
PLACES = """
INSERT INTO crm.unit (code, active, title) VALUES ('north', true, '{}'), ('south', true, '{}');
INSERT INTO crm.person (code, active, name, unit, skills, lines, regions, capacity, present)
VALUES ('ivanov', true, 'x', 'north', '{}', '{}', '{}', 1, false),
       ('petrova', true, 'x', 'south', '{}', '{}', '{}', 1, false);
"""


@dataclass(frozen=True)
class Row:
    """Something that has owners: the values that each reach compares with, and what it hangs on."""

    id: str
    owners: Mapping[Reach, frozenset[str]]
    customer_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class World:
    url: str
    customers: tuple[Row, ...]
    requests: tuple[Row, ...]
    calls: tuple[Row, ...]
    cards: tuple[Row, ...]
    notifications: tuple[Row, ...]
    records: Mapping[str, tuple[Row, ...]]  # by the noun of their address


@dataclass(frozen=True)
class Expected:
    """The ids in reach of one principal."""

    customers: set[str]
    requests: set[str]
    calls: set[str]
    cards: set[str]
    notifications: set[str]


def reached(
    principal: Principal, resource: Resource, rows: tuple[Row, ...], without: frozenset[Reach] = frozenset()
) -> set[str]:
    """By the table alone; by its rules of other reaches than `without`."""
    mine = {
        Reach.OWN: {principal.id},
        Reach.UNIT: set(principal.units),
        Reach.REGION: set(principal.regions),
        Reach.PARTNER: {principal.partner} - {None},
        Reach.SELF: {principal.customer} - {None},
        Reach.CARRIER: {principal.partner} - {None},
    }
    reaches = {
        rule.reach
        for rule in TABLE
        if rule.role in principal.roles and rule.resource is resource and Action.READ in rule.actions
    } - without
    return {
        row.id
        for row in rows
        if any(reach is Reach.ALL or mine[reach] & row.owners.get(reach, set()) for reach in reaches)
    }


def expected(principal: Principal, world: World) -> Expected:
    """By the table, and by what hangs on what (docs/crm-access.md)."""
    customers = reached(principal, Resource.CUSTOMER, world.customers)
    requests = reached(principal, Resource.REQUEST, world.requests)
    return Expected(
        customers,
        requests,
        reached(principal, Resource.CALL, world.calls)
        | {row.id for row in world.calls if row.customer_id in customers or row.request_id in requests},
        reached(principal, Resource.CARD, tuple(Row(row.id, {}) for row in world.cards))
        | {row.id for row in world.cards if row.customer_id in customers},
        reached(principal, Resource.NOTIFICATION, world.notifications)
        & {row.id for row in world.notifications if row.request_id in requests},
    )


@pytest.fixture(scope="module")
def world(postgres_server, start_api):
    database = create_crm_database(postgres_server, "reach")
    with psycopg.connect(database.admin_url, autocommit=True, row_factory=dict_row) as admin:
        admin.execute(PLACES)
        asyncio.run(populate(database, start_api, admin))
        return read_world(admin, database.url())


async def populate(database, start_api, admin):
    """Things of every kind, each with owners drawn at random; the same at every run."""
    chance = random.Random(1)  # noqa: S311

    def place(table, id_):
        drawn = {
            "manager": chance.choice(PEOPLE),
            "unit": chance.choice(UNITS),
            "region": chance.choice(REGIONS),
            "partner": chance.choice(PARTNERS),
        }
        admin.execute(ZONE.format(table=table), {**drawn, "id": id_})

    async with start_api(database.url(), **SETTINGS) as api:
        with acting_as(access_of(MAKER)):
            for number in range(CUSTOMERS):
                customer = await made(
                    api, "customers", {"kind": "company", "name": f"ООО «Совиный приют {number}»"}
                )
                place("customer", customer)
                await agree(api, admin, chance, customer, number)
                digits = f"700604{number:09}"
                await made(
                    api, "cards", {"number": digits + luhn.calc_check_digit(digits), "customer_id": customer}
                )
                request = await made(api, "requests", request_of(chance.choice((customer, customer, None))))
                place("request", request)
                admin.execute(
                    "UPDATE crm.request SET assignee = %s, unit = %s WHERE id = %s",
                    (chance.choice(PEOPLE), chance.choice(UNITS), request),
                )
                admin.execute(NOTIFICATION, (chance.choice(PEOPLE[:2]), request))
                await made(
                    api,
                    "calls",
                    {
                        "external_id": f"call-{number}",
                        "direction": "in",
                        "phone": "+74951112233",
                        "started_at": "2026-01-02T03:04:05Z",
                        "operator": chance.choice(PEOPLE),
                        "customer_id": chance.choice((customer, None)),
                        "request_id": chance.choice((request, None)),
                    },
                )


async def agree(api, admin, chance, customer, number):
    """One record of each kind; orders are carried by somebody, claims routed to somebody, or neither yet."""
    mine = {"customer_id": customer}
    dates = {"signed_on": "2025-01-01", "valid_from": "2025-01-01"}
    await made(api, "deals", {**mine, "title": "x"})
    await made(api, "contracts", {**mine, "number": f"reach-{number}", "unit": "contact-centre", **dates})
    for status in ("draft", "submitted"):
        admin.execute(
            "UPDATE crm.sales_order SET status = %s, carrier = %s, amount = 1 WHERE id = %s",
            (status, chance.choice(PARTNERS), await made(api, "orders", mine)),
        )
    claim = await made(api, "claims", {**mine, "kind": "quality", "subject": "x", "text": "x"})
    admin.execute(
        "UPDATE crm.claim SET manager = %s, unit = %s WHERE id = %s",
        (chance.choice(PEOPLE), chance.choice(UNITS), claim),
    )


def request_of(customer):
    return {"customer_id": customer, "channel": "api", "topic": "cards", "subject": "x", "text": "x"}


async def made(api, path, form):
    answer = await api.post(f"{BASE}/{path}", form)
    assert answer.is_success, answer.text
    return answer.json()["id"]


def read_world(admin, url):
    def rows(statement):
        return tuple(row_of(each) for each in admin.execute(statement))

    return World(
        url,
        rows("SELECT *, id AS customer_id FROM crm.customer"),
        rows("SELECT *, assignee AS person FROM crm.request"),
        rows("SELECT id, customer_id AS about, request_id, operator AS person FROM crm.call"),
        rows("SELECT id, customer_id AS about FROM crm.card"),
        rows("SELECT id, request_id, recipient AS person FROM crm.notification"),
        {noun: rows(RECORD.format(table=table, own=own)) for noun, (_, table, own) in RECORDS.items()},
    )


def row_of(found):
    """`customer_id`: whose company's it is; `about`: a customer that it only hangs on."""
    columns = {
        Reach.OWN: ("zone_manager", "person"),
        Reach.UNIT: ("zone_unit", "unit"),
        Reach.REGION: ("zone_region", "region"),
        Reach.PARTNER: ("zone_partner",),
        Reach.SELF: ("customer_id",),
        Reach.CARRIER: ("carrier",),
    }
    owners = {
        reach: frozenset(str(found[name]) for name in names if found.get(name) is not None)
        for reach, names in columns.items()
    }
    about = found.get("about") or found.get("customer_id")
    return Row(
        str(found["id"]), owners, about and str(about), found.get("request_id") and str(found["request_id"])
    )


@pytest.fixture
async def api(world, start_api):
    async with start_api(world.url, **SETTINGS) as api:
        yield api


def drawn(role: Role, world: World) -> list[Principal]:
    """With the role alone, and with another one."""
    chance = random.Random(role.value)  # noqa: S311

    def some(values):
        return tuple(value for value in values if value is not None and chance.random() < 0.5)

    return [
        Principal(
            chance.choice(("ivanov", "petrova", "nobody")),
            frozenset({role, *([chance.choice(list(Role))] if number % 2 else [])}),
            some(UNITS),
            some(REGIONS),
            chance.choice(PARTNERS),
            chance.choice((None, *(row.id for row in world.customers))),
        )
        for number in range(DRAWS)
    ]


async def listed(api, path):
    """The ids on all pages of a list, none twice."""
    ids = []
    address = f"{BASE}/{path}"
    while address:
        answer = await api.get(address)
        assert answer.status_code == 200, (path, answer.text)
        page = answer.json()
        ids += [item["id"] for item in page["items"]]
        address = page["next"]
    assert len(ids) == len(set(ids)), path
    return set(ids)


async def items(api, path):
    answer = await api.get(f"{BASE}/{path}")
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()["items"]


def may_read(principal, resource):
    return access_of(principal).allows(Need(resource, Action.READ))


@pytest.mark.parametrize("role", list(Role))
async def test_lists_and_searches_show_what_is_in_reach_and_nothing_else(api, world, role):
    for principal in drawn(role, world):
        known = expected(principal, world)
        with acting_as(access_of(principal)):
            if may_read(principal, Resource.CUSTOMER):
                assert await listed(api, "customers?limit=5") == known.customers, principal
                found = await items(api, "customers/search?q=совиный приют&limit=50")
                assert {each["customer"]["id"] for each in found} == known.customers, principal
            if may_read(principal, Resource.REQUEST):
                assert await listed(api, "requests?limit=5") == known.requests, principal
            if may_read(principal, Resource.CARD):
                assert await listed(api, "cards?limit=5") == known.cards, principal
            if may_read(principal, Resource.NOTIFICATION):
                found = set()
                for recipient in ("ivanov", "petrova"):
                    found |= await listed(api, f"notifications?recipient={recipient}&limit=5")
                assert found == known.notifications, principal
            if may_read(principal, Resource.CALL):
                found = {row.id for row in world.calls if await shows(api, f"calls/{row.id}")}
                assert found == known.calls, principal


@pytest.mark.parametrize("role", list(Role))
async def test_records_are_listed_as_far_as_the_table_reaches(api, world, role):
    for principal in drawn(role, world):
        for noun, (resource, _, _) in RECORDS.items():
            if may_read(principal, resource):
                with acting_as(access_of(principal)):
                    found = await listed(api, f"{noun}?limit=5")
                assert found == reached(principal, resource, world.records[noun]), (principal, noun)


@pytest.mark.parametrize("role", [Role.CARRIER, Role.OPERATOR, Role.CUSTOMER, Role.PARTNER_MANAGER])
async def test_sums_of_orders_are_shown_to_who_does_more_than_carry_them(api, world, role):
    """Each with the carrier's role besides."""
    for principal in drawn(role, world):
        carrying = replace(principal, roles=principal.roles | {Role.CARRIER})
        orders = world.records["orders"]
        with acting_as(access_of(carrying)):
            shown = await items(api, "orders?limit=200")
        whole = {order["id"] for order in shown if order["amount"] is not None}
        assert {order["id"] for order in shown} == reached(carrying, Resource.ORDER, orders), carrying
        assert whole == reached(carrying, Resource.ORDER, orders, frozenset({Reach.CARRIER})), carrying


async def shows(api, path):
    answer = await api.get(f"{BASE}/{path}")
    assert answer.status_code in {200, 404}, (path, answer.text)
    return answer.status_code == 200


SEES_CUSTOMERS = [role for role in Role if may_read(Principal("x", frozenset({role})), Resource.CUSTOMER)]


@pytest.mark.parametrize("role", SEES_CUSTOMERS)
async def test_a_window_holds_of_each_section_what_is_in_reach(api, world, role):
    chance = random.Random(role.value)  # noqa: S311
    for principal in drawn(role, world):
        known = expected(principal, world)
        for customer in chance.sample(world.customers, LOOKED_INTO):
            with acting_as(access_of(principal)):
                answer = await api.get(f"{BASE}/customers/{customer.id}/window")
            assert answer.status_code == (200 if customer.id in known.customers else 404), principal
            if answer.status_code == 200:
                for section, rows, visible in (
                    ("open_requests", world.requests, known.requests),
                    ("calls", world.calls, known.calls),
                    ("cards", world.cards, known.cards),
                ):
                    of_it = {row.id for row in rows if row.customer_id == customer.id} & visible
                    shown = answer.json()[section]
                    assert shown is None or {each["id"] for each in shown} == of_it, (principal, section)


async def test_reports_and_their_exports_count_what_is_in_reach(api, world):
    """Of the roles with a report, and of those that have another role besides."""
    counted = {
        f"service?by=unit&{PERIOD}": ("requests",),
        f"service?by=channel&{PERIOD}": ("requests",),
        f"frequency?{PERIOD}": ("requests",),
        "board?": ("new", "in_progress", "waiting", "handed_over"),
    }
    for principal in (*drawn(Role.HEAD, world), *drawn(Role.SYSTEM, world)):
        count = len(expected(principal, world).requests)
        for path, columns in counted.items():
            with acting_as(access_of(principal)):
                rows = await items(api, f"reports/{path}")
                export = await api.get(f"{BASE}/reports/{path}&format=csv")
            assert sum(row[column] for row in rows for column in columns) == count, (principal, path)
            lines = csv.DictReader(io.StringIO(export.text))
            assert sum(int(line[column]) for line in lines for column in columns) == count, (principal, path)


async def test_a_policy_that_lets_too_much_through_is_noticed(api, world, postgres_server):
    admin_url = postgres_server.url("reach")
    principal = Principal("ivanov", frozenset({Role.SALES_MANAGER}))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE POLICY too_much ON crm.request FOR SELECT TO crm_app USING (zone_unit = 'south')"
        )
        try:
            with acting_as(access_of(principal)):
                shown = await listed(api, "requests")
            assert shown > expected(principal, world).requests
        finally:
            admin.execute("DROP POLICY too_much ON crm.request")

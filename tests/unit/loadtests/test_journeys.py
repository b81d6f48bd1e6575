"""What users send, and what the ledger learns from the answers, against an API in memory."""

# ruff: noqa: ARG002 - stand-ins have the signature of what they stand in for

import json
import random
from itertools import count
from urllib.parse import unquote

import pytest
from stdnum.ru import inn

from failover.drills.history import operations, read
from loadtests import api, data
from loadtests.client import Client, Ending
from loadtests.entries import Entries, Entry
from loadtests.journeys import Person, look_after_own, send_transaction, take_a_call
from loadtests.ledger import Ledger
from loadtests.policy import Answer, Patience
from loadtests.profiles import DESK_STEPS
from loadtests.roles import (
    look_somebody_up,
    send_a_batch,
    serve_a_caller,
    visit_the_portal,
    work_at_the_window,
    write_in,
)
from loadtests.volumes import TRANSACTIONS_A_BATCH


class MemoryCrm:
    """The part of the CRM API that the journeys use, as a transport."""

    def __init__(self):
        self.ids = count(1)
        self.things = {}
        self.calls = []
        self.finds = True

    def send(self, entry, call, operation):
        path = unquote(call.path.removeprefix("/api/v1"))
        self.calls.append((call.method, path))
        body = json.loads(call.body) if call.body else {}
        return Answer(201 if call.method == "POST" else 200, {}, self.answer(call.method, path, body))

    def answer(self, method, path, body):
        parts = path.strip("/").split("?")[0].split("/")
        return self.done(parts, body) if method == "POST" else self.shown(parts, "?" in path)

    def done(self, parts, body):
        if parts[-1] == "batch":
            self.things |= {each["processing_id"]: each for each in body["transactions"]}
            return {"accepted": len(body["transactions"]), "duplicates": []}
        if len(parts) == 1:
            thing = {**body, "id": f"{parts[0]}-{next(self.ids)}", "status": "new", "history": []}
            self.things[thing["id"]] = thing
            return thing
        thing = self.things[parts[1]]
        thing["status"] = {"take": "in_progress", "close": "closed"}[parts[2]]
        thing["history"].append({"note": body["note"]})
        return thing

    def shown(self, parts, is_list):
        if parts[-1] == "search":
            found = [{"customer": thing} for thing in self.things.values() if "inn" in thing]
            return {"items": found if self.finds else []}
        if parts[-1] == "window":
            return {"customer": self.things[parts[1]]}
        if is_list:
            return {"items": list(self.things.values()), "next": None}
        return self.things[parts[1]]


@pytest.fixture
def crm():
    return MemoryCrm()


@pytest.fixture
def person(crm, tmp_path):
    ledger = Ledger(tmp_path / "history.jsonl", "r1")
    rng = random.Random(3)  # noqa: S311
    client = Client(
        transport=crm, entries=Entries([Entry("dc1", "https://1")], rng), ledger=ledger,
        patience=Patience(), ending=Ending(), rng=rng,
    )  # fmt: skip
    return Person("operator-1", client, ledger, lambda _s: None, random.Random(4), random.Random(5))  # noqa: S311


@pytest.fixture
def lines(tmp_path):
    return lambda: [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]


def test_a_call_is_found_carded_registered_taken_and_closed(person, crm, lines):
    take_a_call(person, handle_s=12)
    assert [line["f"] for line in lines() if line["type"] == "ok"] == [
        "search", "customer", "get_customer", "request", "take", "get_request", "close", "get_request",
    ]  # fmt: skip
    assert [path for method, path in crm.calls if method == "POST"] == [
        "/customers", "/requests", "/requests/requests-2/take", "/requests/requests-2/close",
    ]  # fmt: skip


def test_the_ledger_learns_states_and_markers(person, lines):
    take_a_call(person, handle_s=12)
    by_function = {line["f"]: line for line in lines() if line["type"] == "ok"}
    assert by_function["request"]["key"] == "requests-2"
    assert [by_function[name]["state"] for name in ("request", "take", "close")] == [
        "new",
        "in_progress",
        "closed",
    ]
    last_read = by_function["get_request"]
    written = [by_function[name]["v"] for name in ("request", "take", "close")]
    assert last_read["seen"] == written
    assert last_read["state"] == "closed"


def test_a_known_caller_needs_no_new_card(person, crm):
    for _ in range(6):
        take_a_call(person, handle_s=12)
    posted = [path for method, path in crm.calls if (method, path) == ("POST", "/customers")]
    assert 1 <= len(posted) < 6


def test_a_portal_client_looks_at_the_own_requests(person, crm, lines):
    look_after_own(person, register_share=0.0)
    look_after_own(person, register_share=1.0)
    assert [line["f"] for line in lines() if line["type"] == "ok"] == [
        "customer", "list_requests", "request", "list_requests",
    ]  # fmt: skip
    assert all(line.get("stale") for line in lines() if line["f"] == "list_requests")


def test_a_transaction_carries_its_marker_as_the_processing_systems_id(person, crm):
    send_transaction(person)
    assert next(iter(crm.things.values()))["processing_id"] == "r1:operator-1:1"


def test_companies_are_valid_and_do_not_repeat():
    rng = random.Random(1)  # noqa: S311
    companies = [data.company(rng) for _ in range(2000)]
    assert all(inn.is_valid(company.inn) for company in companies)
    assert len({(company.inn, company.kpp) for company in companies}) == len(companies)
    assert all(len(company.kpp) == 9 for company in companies)


def test_purchases_are_decimal_text():
    rng = random.Random(1)  # noqa: S311
    for _ in range(100):
        bought = data.purchase(rng)
        assert float(bought.quantity) > 0
        assert len(bought.amount.partition(".")[2]) == 2


def test_every_attempt_of_an_operation_sends_the_same_bytes():
    call = api.send_transaction("m", data.purchase(random.Random(1)))  # noqa: S311
    assert call.body is call.body
    assert json.loads(call.body)["processing_id"] == "m"


def done(lines):
    return [line["f"] for line in lines() if line["type"] == "ok"]


def test_an_operator_works_at_the_single_window(person, crm, lines):
    work_at_the_window(person, handle_s=12)
    assert done(lines) == [
        "search", "customer", "get_window", "request", "get_articles", "take", "get_request", "close",
        "get_request",
    ]  # fmt: skip
    seen = next(line for line in lines() if line["type"] == "ok" and line["f"] == "get_window")["seen"]
    assert seen == ["r1:operator-1:2"], "the marker of the card"


def test_an_operator_at_the_desk_goes_through_the_steps_without_a_pause(person, lines):
    serve_a_caller(person)
    serve_a_caller(person)
    assert done(lines) == ["customer", *DESK_STEPS, *DESK_STEPS]
    states = [line["state"] for line in lines() if line["type"] == "ok" and "state" in line]
    assert states[-3:] == ["new", "in_progress", "closed"]


def test_where_the_search_finds_nothing_it_is_the_own_card(person, crm, lines):
    crm.finds = False
    serve_a_caller(person)
    assert done(lines) == ["customer", *DESK_STEPS]


def test_somebody_is_looked_up_in_every_way(person, crm, lines):
    for _ in range(12):
        look_somebody_up(person)
    assert done(lines) == ["customer", *["search", "get_window"] * 12]
    (company,) = person.companies
    typed = {path.partition("?q=")[2].partition("&limit")[0] for method, path in crm.calls if "?q=" in path}
    assert {company.inn, company.phone_as_spoken} < typed


def test_who_writes_is_nobody_yet(person, crm, lines):
    write_in(person)
    (request,) = crm.things.values()
    assert (request["customer_id"], request["channel"] in data.WRITTEN) == (None, True)
    assert request["sender"].startswith("+79")
    assert done(lines) == ["request", "get_request"]


def test_a_visit_to_the_portal(person, lines):
    visit_the_portal(person, register_share=0.0)
    visit_the_portal(person, register_share=1.0)
    looked = ["get_points", "list_cards"]
    assert done(lines) == [
        *("customer", *looked, "list_requests"),
        *(*looked, "request", "get_request", "list_requests"),
    ]


def test_the_checker_knows_every_transaction_of_a_batch(person, crm, lines, tmp_path):
    send_a_batch(person)
    assert done(lines) == ["card_batch"]
    (sent,) = operations(read(tmp_path / "history.jsonl"))
    assert sent.size == len(crm.things) == TRANSACTIONS_A_BATCH
    assert sent.markers == tuple(crm.things)


def test_a_misspelt_name_has_the_same_letters_in_another_order():
    rng = random.Random(1)  # noqa: S311
    for _ in range(100):
        company = data.company(rng)
        typed = data.misspelt(rng, company.name)
        assert typed not in company.name
        assert sorted(typed) == sorted(company.name.partition('"')[2].rstrip('"'))

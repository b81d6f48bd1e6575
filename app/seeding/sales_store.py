"""Putting invented sales into the base, a batch of contracts with all that belongs to them at a time.

As the API would have stored it, history and search keys included, and under the same rules of access. Only
the feed of events says nothing of it. Seeding again changes nothing, whatever was done to the records since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from uuid import UUID

import psycopg

from app.catalogue.schemas import PRODUCTS
from app.chats.schemas import ChatMessage
from app.claims.schemas import CLAIMS
from app.contracts.schemas import CONTRACTS
from app.database.units import ACT
from app.deals.schemas import DEALS, TASKS
from app.errors import ProblemError
from app.identifiers import document_number
from app.orders.schemas import ORDERS
from app.records.model import Noun, R, RecordEvent
from app.requests.repository import stored_row
from app.requests.schemas import Event
from app.seeding import estate, portal_store, repository, staff
from app.seeding.claims import Complaint, Routed
from app.seeding.goods import Good, goods
from app.seeding.ground import Buyer, Desk, Ground
from app.seeding.repository import Connection, Row
from app.seeding.sales import Account, accounts
from app.seeding.store import ACTS_AS
from app.seeding.story import Story

BATCH = 40  # contracts of a transaction: some 3,000 rows, far within the role's statement_timeout
New = set[UUID]


class UnfitBaseError(Exception):
    """The base's own directories refuse what the seed knows: stages or kinds of claims were changed."""


def seed_sales(dsn: str, contracts: int, customers: int, seed: int) -> Iterator[int]:
    """Yields the number of contracts done after each batch. Raises psycopg.Error, UnfitBaseError."""
    products = tuple(goods())
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="crm seed") as connection:
        with _transaction(connection):
            ground = _prepared(connection, products, contracts, seed)
            password_hash = portal_store.new_password_hash()
            portal_store.open_to_staff(connection, password_hash)
        companies = estate.companies_among(customers)
        numbers = iter(range(contracts))
        done = 0
        while batch := list(islice(numbers, BATCH)):
            wanted = {number: estate.company_number(number % companies) for number in batch}
            with _transaction(connection):
                buyers = _buyers(connection, wanted)
                portal_store.place(connection, ground, buyers)  # requests are placed with their customers
                _store(connection, list(accounts(seed, ground, products, buyers.items())))
                portal_store.open_portal(connection, buyers, password_hash)
                portal_store.write_letters(connection, buyers, seed)
            done += len(batch)
            yield done


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    with connection.transaction():
        connection.execute(ACT, ACTS_AS.parameters)
        try:
            yield
        except ProblemError as error:
            said = "; ".join(f"{each.pointer}: {each.detail}" for each in error.errors) or error
            raise UnfitBaseError(f"the base's own rules refuse what the seed knows: {said}") from error


def _prepared(connection: Connection, products: Sequence[Good], contracts: int, seed: int) -> Ground:
    managers = staff.managers_for(contracts)
    repository.enter_staff(connection, staff.units(), staff.people(seed, managers))
    repository.enter(connection, (PRODUCTS, (good.form for good in products)))
    kinds = repository.kinds(connection)
    return Ground(
        stages=repository.stages(connection),
        kinds=kinds,
        settings={kind.topic: repository.setting(connection, kind.topic) for kind in kinds},
        desk=Desk(repository.people(connection, [office.code for office in staff.OFFICES])),
        managers=managers,
    )


def _buyers(connection: Connection, wanted: Mapping[int, int]) -> Mapping[int, Buyer]:
    """By the number of the contract, as wanted; without those that are not there."""
    found = repository.buyers(connection, wanted.values())
    return {number: found[company] for number, company in wanted.items() if company in found}


def _store(connection: Connection, made: Sequence[Account]) -> None:
    _records(connection, DEALS, [each.deal for account in made for each in account.deals])
    _records(connection, TASKS, [task for account in made for task in account.tasks])
    new = _records(connection, CONTRACTS, [account.agreed.contract for account in made])
    _contracts(connection, [account for account in made if account.agreed.contract.record.id in new])
    _records(connection, ORDERS, [order for account in made for order in account.orders])
    _claims(connection, [claim for account in made for claim in account.claims])
    repository.fill(connection, "crm.chat_message", [_row(each) for account in made for each in account.chat])


def _records(connection: Connection, noun: Noun[R], stories: Sequence[Story[R]]) -> New:
    """Records with their histories; of those that were there already, nothing."""
    new = repository.fill(connection, noun.table, [each.record.model_dump(mode="json") for each in stories])
    steps = [
        {
            **_row(step),
            "record_id": each.record.id,
            "customer_id": each.record.customer_id,
            "noun": noun.resource,
        }
        for each in stories
        if each.record.id in new
        for step in each.steps
    ]
    repository.add(connection, "crm.record_event", steps)
    return new


def _row(step: RecordEvent | Event | ChatMessage) -> dict[str, object]:
    """Its columns; `asdict` copies each value deeply, which takes longer than storing it."""
    return {name: getattr(step, name) for name in step.__slots__}


def _contracts(connection: Connection, new: Sequence[Account]) -> None:
    """What contracts allow, and that their customers are found by the numbers of contracts and deals."""
    contracts = [account.agreed.contract.record for account in new]
    products = [
        {"contract_id": account.agreed.contract.record.id, **product.model_dump(mode="json")}
        for account in new
        for product in account.agreed.products
    ]
    repository.add(connection, "crm.contract_product", products)
    numbers = [("contract", contract.number, contract.customer_id) for contract in contracts]
    deals = [each.deal.record for account in new for each in account.deals]
    numbers += [("deal", deal.number, deal.customer_id) for deal in deals]
    keys: list[Row] = [
        {"kind": kind, "value": document_number(number), "customer_id": customer}
        for kind, number, customer in numbers
    ]
    repository.add(connection, "crm.customer_key", keys, again=True)
    repository.no_leads_any_more(connection, {contract.customer_id for contract in contracts})


def _claims(connection: Connection, complaints: Sequence[Complaint]) -> None:
    """A claim refers to its request, so requests come first."""
    _requests(connection, [each.routed for each in complaints if each.routed is not None])
    new = _records(connection, CLAIMS, [each.claim for each in complaints])
    files = [
        {
            **document.model_dump(mode="json", include={"id", "name", "media_type", "created_at"}),
            "claim_id": each.claim.record.id,
            "customer_id": each.claim.record.customer_id,
            "sha256": f"\\x{document.sha256}",
            "content": f"\\x{content.hex()}",
        }
        for each in complaints
        if each.claim.record.id in new
        for document, content in each.files
    ]
    repository.add(connection, "crm.claim_document", files)


def _requests(connection: Connection, routed: Sequence[Routed]) -> None:
    rows = [stored_row(each.request, each.assignment) for each in routed]
    new = repository.fill(connection, "crm.request", rows)
    steps = [
        {**_row(step), "request_id": each.request.id}
        for each in routed
        if each.request.id in new
        for step in each.steps
    ]
    repository.add(connection, "crm.request_event", steps)

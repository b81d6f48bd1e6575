"""What can be done with customers.

Everything that the answer to a new card says is known before PostgreSQL is asked, so that it is one round
trip; only a duplicate costs a second look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg

from app import pagination
from app.customers import events, likely, repository
from app.customers.cleanse import cleanse
from app.customers.schemas import (
    Checked,
    ContactForm,
    Customer,
    CustomerChange,
    CustomerForm,
    Details,
    LikelyCards,
    Requisites,
    Stage,
)
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import Problem, ProblemError, not_found
from app.http import BASE, created, etag
from app.identity import new_id, now
from app.pagination import Page

PATH = f"{BASE}/customers"
LIKELY_HEADER = "Twinsite-Likely-Duplicates"


def address(id_: UUID) -> str:
    return f"{PATH}/{id_}"


def merged_already(into: UUID) -> ProblemError:
    detail = "the card became part of another; go on there"
    return ProblemError(Problem.WRONG_STATE, detail, state="merged", existing=address(into))


async def create(database: Database, command: Command, form: CustomerForm) -> Committed:
    moment = now()
    card = _card(new_id(), cleanse(form), version=1, created_at=moment, updated_at=moment)
    hint = await _hint(database, command, card)

    async def work(unit: WriteUnit) -> Answer:
        await repository.insert(unit, card)
        await events.tell(unit, events.REGISTERED, card)
        answer = created(address(card.id), card.version, card)
        return replace(answer, headers={**answer.headers, **hint})

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise await _duplicate(database, command, card, error) from error


async def _hint(database: Database, command: Command, card: Customer) -> Mapping[str, str]:
    """How many cards are probably the same customer, and where they are shown; never in the way."""
    try:
        items, _ = await likely.find(database, Freshness(command.trace, stale_allowed=True), card)
    except ProblemError:
        return {}
    link = {"Link": f'<{address(card.id)}/duplicates>; rel="duplicates"'} if items else {}
    return {LIKELY_HEADER: str(len(items)), **link}


async def change(
    database: Database, command: Command, id_: UUID, expected: str, changes: CustomerChange
) -> Committed:
    """Raises ProblemError: not-found, version-mismatch, validation, duplicate-customer."""
    attempted: list[Customer] = []

    async def work(unit: WriteUnit) -> Answer:
        card = await repository.lock(unit, id_)
        if card is None:
            raise not_found("customer")
        if card.merged_into is not None:
            raise merged_already(card.merged_into)
        if not matches(expected, card.version):
            raise ProblemError(Problem.VERSION_MISMATCH, f"the present version is {etag(card.version)}")
        changed = apply(card, changes)
        attempted.append(changed)
        await repository.replace(unit, changed)
        await events.tell(unit, events.CHANGED, changed)
        return Answer(200, encode(changed), {"ETag": etag(changed.version)})

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise await _duplicate(database, command, attempted[-1], error, besides=id_) from error


async def no_lead_any_more(unit: WriteUnit, id_: UUID) -> None:
    """Whoever has a contract is a customer; a card that is one stays as it is.

    So does one that the asker may not change.
    """
    card = await repository.lock(unit, id_)
    if card is None or card.merged_into is not None or card.stage is Stage.CUSTOMER:
        return
    changed = replace(card, stage=Stage.CUSTOMER, version=card.version + 1, updated_at=now())
    await repository.replace(unit, changed)
    await events.tell(unit, events.CHANGED, changed)


def matches(expected: str, version: int) -> bool:
    """If-Match against the present version: `*`, or a list of strong tags (RFC 9110)."""
    return expected.strip() == "*" or etag(version) in (tag.strip() for tag in expected.split(","))


def apply(card: Customer, changes: CustomerChange) -> Customer:
    """The card with the sent fields replaced and cleansed, one version on. Pure but for the clock."""
    entered = {**_as_form(card), **{name: getattr(changes, name) for name in changes.model_fields_set}}
    details = cleanse(CustomerForm.model_construct(**entered))
    untouched = {
        pointer: text
        for pointer, text in card.given.items()
        if pointer.partition("/")[0] not in changes.model_fields_set
    }
    details = replace(details, given={**untouched, **details.given})
    return _card(card.id, details, version=card.version + 1, created_at=card.created_at, updated_at=now())


def _as_form(card: Customer) -> Mapping[str, object]:
    contacts = tuple(ContactForm(kind=c.kind, value=c.value, person=c.person) for c in card.contacts)
    names = ("kind", "stage", "name", "inn", "kpp", "ogrn", "snils", "address", "external_id")
    return {**{name: getattr(card, name) for name in names}, "contacts": contacts}


def _card(
    id_: UUID, details: Details, *, version: int, created_at: datetime, updated_at: datetime
) -> Customer:
    return Customer(
        id=id_,
        kind=details.kind,
        stage=details.stage,
        name=details.name,
        inn=details.inn,
        kpp=details.kpp,
        ogrn=details.ogrn,
        snils=details.snils,
        address=details.address,
        external_id=details.external_id,
        contacts=details.contacts,
        given=details.given,
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )


async def _duplicate(
    database: Database,
    command: Command,
    attempted: Requisites,
    error: psycopg.IntegrityError,
    besides: UUID | None = None,
) -> Exception:
    """The 409 with the way to the existing card; the error itself if it is about something else."""
    if error.diag.constraint_name not in repository.DUPLICATE_CONSTRAINTS:
        return error
    parameters = repository.requisites(attempted, besides=besides)
    found = await database.read(repository.EXISTING, parameters, Freshness(command.trace))
    if found.first is None:  # out of the caller's zone, or changed since
        detail = "a card with these requisites exists outside of your zone; ask the head of the unit"
        return ProblemError(Problem.DUPLICATE_CUSTOMER, detail)
    detail = "a card with these requisites exists; open it instead"
    return ProblemError(Problem.DUPLICATE_CUSTOMER, detail, existing=address(found.first))


async def check(
    database: Database, form: CustomerForm, freshness: Freshness
) -> tuple[Checked, Found[Customer]]:
    """The card that the form would be refused for, and those that a person should look at."""
    details = cleanse(form)
    existing = await database.read(repository.EXISTING, repository.requisites(details), freshness)
    items, found = await likely.find(database, freshness, details)
    return Checked(None if existing.first is None else address(existing.first), items), found


async def duplicates(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[LikelyCards, Found[Customer]]:
    card, _ = await get(database, id_, freshness)
    items, found = await likely.find(database, freshness, card, besides=id_)
    return LikelyCards(items), found


async def get(database: Database, id_: UUID, freshness: Freshness) -> tuple[Customer, Found[Customer]]:
    found = await database.read(repository.BY_ID, {"id": id_}, freshness)
    return found.one("customer"), found


async def page(
    database: Database, freshness: Freshness, *, limit: int, cursor: str | None, external_id: str | None
) -> tuple[Page[Customer], Found[Customer]]:
    statement = repository.PAGE if external_id is None else repository.PAGE_BY_EXTERNAL_ID
    query = {} if external_id is None else {"external_id": external_id}
    return await pagination.read(
        database, freshness, statement, query, path=PATH, query=query, limit=limit, cursor=cursor
    )

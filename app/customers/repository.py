"""The SQL of customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app import cleansing
from app.customers.schemas import Contact, ContactKind, Customer, CustomerKind, Details, Requisites, Stage
from app.database.rows import stored
from app.database.units import READ_GATE, Read, Whole, WriteUnit
from app.identity import new_id

# The kinds of crm.exact_key that are made of the card itself; other slices add their own (`add_key`).
OWN_KEYS = ("inn", "ogrn", "snils", "external_id", "address", "phone", "email")
DUPLICATE_CONSTRAINTS = frozenset(
    {"customer_inn_kpp_key", "customer_ogrn_kpp_key", "customer_legal_entity_fkey"}
)

# In the order of Customer's fields.
CARD = """c.id, c.kind, c.stage, c.name, c.inn, c.kpp, c.ogrn, c.snils, c.address, c.external_id,
       coalesce((SELECT jsonb_agg(jsonb_build_array(t.kind, t.value, t.person) ORDER BY t.position)
                 FROM crm.contact t WHERE t.customer_id = c.id), '[]'),
       c.given, c.version, c.created_at, c.updated_at, c.merged_into"""
_FIELDS = tuple(Customer.__dataclass_fields__)
_KINDS = {str(kind): kind for kind in CustomerKind}
_STAGES = {str(stage): stage for stage in Stage}
_CONTACT_KINDS = {str(kind): kind for kind in ContactKind}


def customer(row: TupleRow) -> Customer:
    """From the columns of CARD."""
    values = dict(zip(_FIELDS, row, strict=True))
    values["kind"] = _KINDS[values["kind"]]
    values["stage"] = _STAGES[values["stage"]]
    values["contacts"] = tuple([_contact(*contact) for contact in values["contacts"]])
    return stored(Customer, values)


def _contact(kind: str, value: str, person: str | None) -> Contact:
    return stored(Contact, {"kind": _CONTACT_KINDS[kind], "value": value, "person": person})


CUSTOMER = Whole.row("customer", "crm.customer", "customer_id")
BY_ID = Read(f"SELECT {CARD} FROM crm.customer c WHERE {READ_GATE} AND c.id = %(id)s", customer)

PAGE = Read(
    f"""
    SELECT {CARD} FROM crm.customer c
    WHERE {READ_GATE} AND c.id < %(below)s AND c.merged_into IS NULL ORDER BY c.id DESC LIMIT %(rows)s""",
    customer,
)

PAGE_BY_EXTERNAL_ID = Read(
    f"""
    SELECT {CARD} FROM crm.customer c
    WHERE {READ_GATE} AND c.id < %(below)s AND c.merged_into IS NULL
      AND c.external_id = %(external_id)s
    ORDER BY c.id DESC LIMIT %(rows)s""",
    customer,
)

# The card that one with these requisites would double: the same INN and KPP, the same OGRN and KPP, or the
# same OGRN under another INN (which cannot be). Whose an OGRN is, the register says.
EXISTING = Read(
    f"""
    SELECT coalesce(c.merged_into, c.id) FROM crm.customer c
    WHERE {READ_GATE}
      AND ((c.inn = %(inn)s AND coalesce(c.kpp, '') = %(kpp)s)
           OR (c.inn = (SELECT e.inn FROM crm.legal_entity e WHERE e.ogrn = %(ogrn)s) AND c.ogrn = %(ogrn)s
               AND (coalesce(c.kpp, '') = %(kpp)s OR c.inn <> %(inn)s)))
      AND c.id IS DISTINCT FROM %(except)s
    ORDER BY c.id LIMIT 1""",
    lambda row: UUID(str(row[0])),
)

_ENTITY = """
INSERT INTO crm.legal_entity (ogrn, inn) VALUES (%(ogrn)s, %(inn)s) ON CONFLICT (ogrn) DO NOTHING
"""
_INSERT = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given,
                          version, created_at, updated_at, words)
VALUES (%(id)s, %(kind)s, %(stage)s, %(name)s, %(inn)s, %(kpp)s, %(ogrn)s, %(snils)s, %(address)s,
        %(external_id)s, %(given)s, %(version)s, %(created_at)s, %(updated_at)s,
        array_to_tsvector(%(words)s::text[]))
"""
_UPDATE = """
UPDATE crm.customer
SET stage = %(stage)s, name = %(name)s, inn = %(inn)s, kpp = %(kpp)s, ogrn = %(ogrn)s,
    snils = %(snils)s, address = %(address)s, external_id = %(external_id)s, given = %(given)s,
    words = array_to_tsvector(%(words)s::text[]), version = %(version)s, updated_at = %(updated_at)s,
    merged_into = %(merged_into)s
WHERE id = %(id)s
"""
_DETACH = f"""
WITH contacts AS (DELETE FROM crm.contact WHERE customer_id = %(id)s)
DELETE FROM crm.customer_key WHERE customer_id = %(id)s AND kind IN ('{"', '".join(OWN_KEYS)}')
"""
# What hangs on a card, in one statement. Words come sorted: two cards at once then meet in the same order.
_ATTACH = """
WITH word AS (
    INSERT INTO crm.name_word (word) SELECT unnest(%(words)s::text[]) ON CONFLICT DO NOTHING
), found_by AS (
    INSERT INTO crm.customer_key (value, kind, customer_id)
    SELECT k.value, k.kind, %(id)s
    FROM unnest(%(key_values)s::text[], %(key_kinds)s::text[]) AS k (value, kind)
    WHERE k.kind = 'address' OR crm.keys_are_doubled()
)
INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
SELECT t.id, %(id)s, t.kind, t.value, t.person, t.position
FROM unnest(%(contact_ids)s::uuid[], %(contact_kinds)s::text[], %(contact_values)s::text[],
            %(contact_persons)s::text[]) WITH ORDINALITY AS t (id, kind, value, person, position)
"""
_LOCK = f"SELECT {CARD} FROM crm.customer c WHERE c.id = %(id)s FOR UPDATE OF c"


async def insert(unit: WriteUnit, customer: Customer) -> None:
    """Queued. A double breaks one of DUPLICATE_CONSTRAINTS."""
    await _entity(unit, customer)
    await unit.queue(_INSERT, _columns(customer))
    await unit.queue(_ATTACH, _attached(customer))


async def replace(unit: WriteUnit, customer: Customer) -> None:
    """Queued; the card must be locked."""
    await _entity(unit, customer)
    await unit.queue(_UPDATE, _columns(customer))
    await unit.queue(_DETACH, {"id": customer.id})
    await unit.queue(_ATTACH, _attached(customer))


async def lock(unit: WriteUnit, id_: UUID) -> Customer | None:
    return await unit.one(_LOCK, {"id": id_}, customer)


_ADD_KEY = """
INSERT INTO crm.customer_key (value, kind, customer_id) VALUES (%(value)s, %(kind)s, %(customer_id)s)
ON CONFLICT DO NOTHING
"""


async def add_key(unit: WriteUnit, customer_id: UUID, kind: str, value: str) -> None:
    """Queued: another slice's identifier (a contract's number, …) by which the search finds the customer."""
    await unit.queue(_ADD_KEY, {"value": value, "kind": kind, "customer_id": customer_id})


async def _entity(unit: WriteUnit, customer: Customer) -> None:
    if customer.ogrn is not None:
        await unit.queue(_ENTITY, {"ogrn": customer.ogrn, "inn": customer.inn})


def requisites(of: Requisites, *, besides: UUID | None = None) -> Mapping[str, Any]:
    """Parameters of EXISTING."""
    return {"inn": of.inn, "kpp": of.kpp or "", "ogrn": of.ogrn, "except": besides}


def keys(customer: Customer | Details) -> frozenset[tuple[str, str]]:
    """Every identifier the card is found by, as (value, kind)."""
    address = cleansing.address_key(customer.address or "") or None
    named = (*((kind, getattr(customer, kind)) for kind in OWN_KEYS[:4]), ("address", address))
    found = {(value, kind) for kind, value in named if value is not None}
    return frozenset(found | {(contact.value, contact.kind.value) for contact in customer.contacts})


def found_by(of: Customer | Details) -> tuple[list[str], list[str]]:
    """The words the card is found by, sorted: all of them, and those of the people who answer there."""
    persons = [contact.person for contact in of.contacts if contact.person]
    if not persons:
        return sorted(cleansing.words(of.name)), []
    people = {word for person in persons for word in cleansing.words(person)}
    return sorted(people.union(cleansing.words(of.name))), sorted(people)


def _columns(customer: Customer) -> Mapping[str, Any]:
    return {
        "id": customer.id,
        "kind": customer.kind.value,
        "stage": customer.stage.value,
        "name": customer.name,
        "inn": customer.inn,
        "kpp": customer.kpp,
        "ogrn": customer.ogrn,
        "snils": customer.snils,
        "address": customer.address,
        "external_id": customer.external_id,
        "given": Jsonb(dict(customer.given)),
        "version": customer.version,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
        "words": found_by(customer)[0],
        "merged_into": customer.merged_into,
    }


def _attached(customer: Customer) -> Mapping[str, Any]:
    identifiers = sorted(keys(customer))
    return {
        "id": customer.id,
        "words": found_by(customer)[0],
        "key_values": [value for value, _ in identifiers],
        "key_kinds": [kind for _, kind in identifiers],
        "contact_ids": [new_id() for _ in customer.contacts],
        "contact_kinds": [contact.kind.value for contact in customer.contacts],
        "contact_values": [contact.value for contact in customer.contacts],
        "contact_persons": [contact.person for contact in customer.contacts],
    }

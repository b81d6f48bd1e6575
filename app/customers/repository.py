"""The SQL of customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app import cleansing
from app.customers.schemas import Contact, ContactKind, Customer, CustomerKind, Match, Requisites, Stage
from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import new_id

NAME_KEY = "name"
DUPLICATE_CONSTRAINTS = frozenset(
    {"customer_inn_kpp_key", "customer_ogrn_kpp_key", "customer_legal_entity_fkey"}
)

_CARD = """c.id, c.kind, c.stage, c.name, c.inn, c.kpp, c.ogrn, c.external_id, c.given, c.version,
       c.created_at, c.updated_at,
       coalesce((SELECT jsonb_agg(jsonb_build_array(t.kind, t.value, t.person) ORDER BY t.position)
                 FROM crm.contact t WHERE t.customer_id = c.id), '[]')"""


def _customer(row: TupleRow) -> Customer:
    id_, kind, stage, name, inn, kpp, ogrn, external_id, given, version, created_at, updated_at, contacts = (
        row
    )
    return Customer(
        id=id_,
        kind=CustomerKind(kind),
        stage=Stage(stage),
        name=name,
        inn=inn,
        kpp=kpp,
        ogrn=ogrn,
        external_id=external_id,
        contacts=tuple(Contact(ContactKind(item[0]), item[1], item[2]) for item in contacts),
        given=given,
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )


def _match(row: TupleRow) -> Match:
    return Match(_customer(row[:-2]), row[-2], round(float(row[-1]), 3))


BY_ID = Read(f"SELECT {_CARD} FROM crm.customer c WHERE {READ_GATE} AND c.id = %(id)s", _customer)

PAGE = Read(
    f"""
    SELECT {_CARD} FROM crm.customer c
    WHERE {READ_GATE} AND c.id < %(below)s ORDER BY c.id DESC LIMIT %(rows)s""",
    _customer,
)

PAGE_BY_EXTERNAL_ID = Read(
    f"""
    SELECT {_CARD} FROM crm.customer c
    WHERE {READ_GATE} AND c.id < %(below)s
      AND c.id IN (SELECT k.customer_id FROM crm.customer_key k
                   WHERE k.value = %(external_id)s AND k.kind = 'external_id')
    ORDER BY c.id DESC LIMIT %(rows)s""",
    _customer,
)

# The card that one with these requisites would double: the same INN and KPP, the same OGRN and KPP, or the
# same OGRN under another INN (which cannot be).
EXISTING = Read(
    f"""
    SELECT c.id FROM crm.customer c
    WHERE {READ_GATE}
      AND ((c.inn = %(inn)s AND coalesce(c.kpp, '') = %(kpp)s)
           OR (c.ogrn = %(ogrn)s AND (coalesce(c.kpp, '') = %(kpp)s OR c.inn <> %(inn)s)))
      AND c.id IS DISTINCT FROM %(except)s
    ORDER BY c.id LIMIT 1""",
    lambda row: UUID(str(row[0])),
)

# Exact keys first, all in one index. Words with errors are corrected in the small table of distinct words,
# then looked up exactly; every word typed must be found.
SEARCH = Read(
    f"""
    WITH exact AS (
        SELECT k.customer_id, min(k.kind) AS matched, 1.0::real AS score
        FROM crm.customer_key k
        WHERE k.value = ANY(%(exact)s) AND k.kind <> '{NAME_KEY}'
        GROUP BY k.customer_id LIMIT %(rows)s
    ), candidate AS (
        SELECT typed.position, near.word, near.score
        FROM unnest(%(words)s::text[]) WITH ORDINALITY AS typed (word, position)
        CROSS JOIN LATERAL (
            SELECT w.word, public.similarity(w.word, typed.word) AS score
            FROM crm.name_word w WHERE w.word OPERATOR(public.%%) typed.word
            ORDER BY score DESC, w.word LIMIT 10
        ) AS near
    ), by_word AS (
        SELECT k.customer_id, candidate.position, max(candidate.score) AS score
        FROM candidate JOIN crm.customer_key k ON k.value = candidate.word AND k.kind = '{NAME_KEY}'
        GROUP BY k.customer_id, candidate.position
    ), named AS (
        SELECT customer_id, '{NAME_KEY}' AS matched, avg(score)::real AS score
        FROM by_word GROUP BY customer_id HAVING count(*) = cardinality(%(words)s::text[])
        ORDER BY score DESC, customer_id DESC LIMIT %(rows)s
    ), hit AS (
        SELECT DISTINCT ON (customer_id) customer_id, matched, score
        FROM (SELECT * FROM exact UNION ALL SELECT * FROM named) AS either
        ORDER BY customer_id, score DESC, matched
    )
    SELECT {_CARD}, hit.matched, hit.score
    FROM hit JOIN crm.customer c ON c.id = hit.customer_id
    WHERE {READ_GATE}
    ORDER BY hit.score DESC, c.id DESC LIMIT %(rows)s""",
    _match,
)

_ENTITY = """
INSERT INTO crm.legal_entity (ogrn, inn) VALUES (%(ogrn)s, %(inn)s) ON CONFLICT (ogrn) DO NOTHING
"""
_INSERT = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, ogrn, external_id, given,
                          version, created_at, updated_at)
VALUES (%(id)s, %(kind)s, %(stage)s, %(name)s, %(inn)s, %(kpp)s, %(ogrn)s, %(external_id)s, %(given)s,
        %(version)s, %(created_at)s, %(updated_at)s)
"""
_UPDATE = """
UPDATE crm.customer
SET stage = %(stage)s, name = %(name)s, inn = %(inn)s, kpp = %(kpp)s, ogrn = %(ogrn)s,
    external_id = %(external_id)s, given = %(given)s, version = %(version)s, updated_at = %(updated_at)s
WHERE id = %(id)s
"""
_DETACH = """
WITH contacts AS (DELETE FROM crm.contact WHERE customer_id = %(id)s)
DELETE FROM crm.customer_key WHERE customer_id = %(id)s
"""
# What hangs on a card, in one statement. Words come sorted: two cards at once then meet in the same order.
_ATTACH = """
WITH word AS (
    INSERT INTO crm.name_word (word) SELECT unnest(%(words)s::text[]) ON CONFLICT DO NOTHING
), found_by AS (
    INSERT INTO crm.customer_key (value, kind, customer_id)
    SELECT k.value, k.kind, %(id)s
    FROM unnest(%(key_values)s::text[], %(key_kinds)s::text[]) AS k (value, kind)
)
INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
SELECT t.id, %(id)s, t.kind, t.value, t.person, t.position
FROM unnest(%(contact_ids)s::uuid[], %(contact_kinds)s::text[], %(contact_values)s::text[],
            %(contact_persons)s::text[]) WITH ORDINALITY AS t (id, kind, value, person, position)
"""
_LOCK = f"SELECT {_CARD} FROM crm.customer c WHERE c.id = %(id)s FOR UPDATE OF c"


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
    return await unit.one(_LOCK, {"id": id_}, _customer)


async def _entity(unit: WriteUnit, customer: Customer) -> None:
    if customer.ogrn is not None:
        await unit.queue(_ENTITY, {"ogrn": customer.ogrn, "inn": customer.inn})


def requisites(of: Requisites, *, besides: UUID | None = None) -> Mapping[str, Any]:
    """Parameters of EXISTING."""
    return {"inn": of.inn, "kpp": of.kpp or "", "ogrn": of.ogrn, "except": besides}


def keys(customer: Customer) -> frozenset[tuple[str, str]]:
    """Everything the card is found by, as (value, kind)."""
    exact = {("inn", customer.inn), ("ogrn", customer.ogrn), ("external_id", customer.external_id)}
    found = {(value, kind) for kind, value in exact if value is not None}
    found |= {(contact.value, contact.kind.value) for contact in customer.contacts}
    return frozenset(found | {(word, NAME_KEY) for word in cleansing.words(customer.name)})


def _columns(customer: Customer) -> Mapping[str, Any]:
    return {
        "id": customer.id,
        "kind": customer.kind.value,
        "stage": customer.stage.value,
        "name": customer.name,
        "inn": customer.inn,
        "kpp": customer.kpp,
        "ogrn": customer.ogrn,
        "external_id": customer.external_id,
        "given": Jsonb(dict(customer.given)),
        "version": customer.version,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
    }


def _attached(customer: Customer) -> Mapping[str, Any]:
    found_by = sorted(keys(customer))
    return {
        "id": customer.id,
        "words": [value for value, kind in found_by if kind == NAME_KEY],
        "key_values": [value for value, _ in found_by],
        "key_kinds": [kind for _, kind in found_by],
        "contact_ids": [new_id() for _ in customer.contacts],
        "contact_kinds": [contact.kind.value for contact in customer.contacts],
        "contact_values": [contact.value for contact in customer.contacts],
        "contact_persons": [contact.person for contact in customer.contacts],
    }

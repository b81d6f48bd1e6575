"""The SQL of cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from app.cards.keys import Sealed
from app.cards.schemas import (
    Card,
    CardEvent,
    CardEventKind,
    CardStatus,
    CardWithHistory,
    Limits,
    Purchase,
    Usage,
)
from app.database.units import READ_GATE, Read, Whole, WriteUnit

NUMBER_CONSTRAINT = "card_lookup_pkey"
_LIMITS = tuple(Limits.model_fields)
_PLAIN = ("id", "token", "bin", "last_four", "customer_id", "contract", "status", "replaces")
_REST = ("version", "created_at", "changed_at")
_NAMES = (*_PLAIN, *_LIMITS, *_REST)
_COLUMNS = ", ".join(f"c.{name}" for name in _NAMES)


def _card(row: TupleRow) -> Card:
    values = dict(zip(_NAMES, row, strict=True))
    limits = {name: values.pop(name) for name in _LIMITS}
    limits["products"], limits["stations"] = tuple(limits["products"]), tuple(limits["stations"])
    values["status"] = CardStatus(values["status"])
    return Card(**values, limits=Limits.model_construct(**limits))


def _with_history(row: TupleRow) -> CardWithHistory:
    events = tuple(
        CardEvent(version, CardEventKind(kind), datetime.fromisoformat(at), actor, reason)
        for version, kind, at, actor, reason in row[-1]
    )
    return CardWithHistory(_card(row[:-1]), events)


_HISTORY = """
coalesce((SELECT jsonb_agg(jsonb_build_array(e.version, e.kind, e.at, e.actor, e.reason) ORDER BY e.version)
          FROM crm.card_event e WHERE e.card_id = c.id), '[]')
"""
WITH_HISTORY = Read(
    f"SELECT {_COLUMNS}, {_HISTORY} FROM crm.card c WHERE {READ_GATE} AND c.id = %(id)s", _with_history
)
FILTERS = {"customer_id": "c.customer_id = %(customer_id)s", "status": "c.status = %(status)s"}


@cache
def page(filters: frozenset[str]) -> Read[Card]:
    conditions = "".join(f" AND {FILTERS[name]}" for name in sorted(filters))
    return Read(
        f"""
        SELECT {_COLUMNS} FROM crm.card c
        WHERE {READ_GATE} AND c.id < %(below)s{conditions} ORDER BY c.id DESC LIMIT %(rows)s""",
        _card,
    )


BY_NUMBER = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.card c
    WHERE {READ_GATE} AND c.id IN (SELECT l.card_id FROM crm.card_lookup l WHERE l.hash = ANY(%(hashes)s))""",
    _card,
)
# The card and what it has bought: one round trip for a question that a cash desk waits for.
USAGE = Read(
    f"""
    SELECT {_COLUMNS}, u.*
    FROM crm.card c
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(d.quantity) FILTER (WHERE d.occurred_at >= %(day)s), 0),
               coalesce(sum(d.quantity), 0),
               coalesce(sum(d.amount) FILTER (WHERE d.occurred_at >= %(day)s), 0),
               coalesce(sum(d.amount), 0)
        FROM crm.card_transaction_detail d
        WHERE d.card_token = c.token AND d.occurred_at >= %(month)s AND d.occurred_at <= %(moment)s
    ) AS u
    WHERE {READ_GATE} AND c.token = %(token)s""",
    lambda row: (_card(row[:-4]), Usage(*row[-4:])),
)
PURCHASES = Read(
    f"""
    SELECT d.processing_id, d.station, d.product, d.quantity, d.amount, d.currency, d.occurred_at
    FROM crm.card c JOIN crm.card_transaction_detail d ON d.card_token = c.token
    WHERE {READ_GATE} AND c.id = %(id)s
      AND d.occurred_at >= %(since)s AND d.occurred_at < %(until)s
      AND (d.occurred_at, d.processing_id) < (%(before)s, %(before_id)s)
    ORDER BY d.occurred_at DESC, d.processing_id DESC LIMIT %(rows)s""",
    lambda row: Purchase(*row),
    Whole.row("card", "crm.card", "id"),
)

# The owner is looked up with the asker's eyes: a foreign key would see all customers.
_INSERT = f"""
INSERT INTO crm.card ({", ".join(_NAMES)}, number_sealed, key_version)
SELECT {", ".join(f"%({name})s" for name in _NAMES)}, %(number_sealed)s, %(key_version)s
FROM crm.customer o WHERE o.id = %(customer_id)s
RETURNING id
"""
_LOOKUPS = """
INSERT INTO crm.card_lookup (hash, key_version, card_id)
SELECT h.hash, h.version, %(id)s
FROM unnest(%(hashes)s::bytea[], %(versions)s::smallint[]) AS h (hash, version)
"""
_UPDATE = f"""
UPDATE crm.card SET status = %(status)s, version = %(version)s, changed_at = %(changed_at)s,
       {", ".join(f"{name} = %({name})s" for name in _LIMITS)}
WHERE id = %(id)s
"""
_ADD_EVENT = """
INSERT INTO crm.card_event (card_id, version, kind, at, actor, reason)
VALUES (%(card_id)s, %(version)s, %(kind)s, %(at)s, %(actor)s, %(reason)s)
"""
_LOCK = f"SELECT {_COLUMNS} FROM crm.card c WHERE c.id = %(id)s FOR UPDATE"


async def insert(unit: WriteUnit, card: Card, sealed: Sealed, lookups: Mapping[int, bytes]) -> bool:
    """False if there is no such customer. A number that has a card breaks NUMBER_CONSTRAINT, later."""
    values = {**_values(card), "number_sealed": sealed.content, "key_version": sealed.version}
    if await unit.one(_INSERT, values, lambda row: row[0]) is None:
        return False
    hashes = {"hashes": list(lookups.values()), "versions": list(lookups)}
    await unit.queue(_LOOKUPS, {"id": card.id, **hashes})
    return True


async def update(unit: WriteUnit, card: Card) -> None:
    """Queued; the card must be locked."""
    await unit.queue(_UPDATE, _values(card))


async def add_event(unit: WriteUnit, card: Card, kind: CardEventKind, actor: str, reason: str | None) -> None:
    """Queued."""
    values = {"card_id": card.id, "version": card.version, "kind": kind.value, "at": card.changed_at}
    await unit.queue(_ADD_EVENT, {**values, "actor": actor, "reason": reason})


async def lock(unit: WriteUnit, id_: UUID) -> Card | None:
    return await unit.one(_LOCK, {"id": id_}, _card)


def hashes(lookups: Mapping[int, bytes]) -> Mapping[str, Sequence[bytes]]:
    """Parameters of BY_NUMBER."""
    return {"hashes": list(lookups.values())}


def _values(card: Card) -> dict[str, Any]:
    values = {name: getattr(card, name) for name in (*_PLAIN, *_REST)}
    limits = {name: getattr(card.limits, name) for name in _LIMITS}
    lists = {"products": list(card.limits.products), "stations": list(card.limits.stations)}
    return {**values, **limits, **lists, "status": card.status.value}

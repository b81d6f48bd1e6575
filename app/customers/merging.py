"""Merging two cards into one, and taking them apart again: each one transaction, recorded (0191).

Both cards are locked as the caller, whose zone they must lie in; then everything that refers to the one
refers to the other, whoever may see it. What moved is written down row by row, so that undoing moves exactly
that back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.customers import events, repository, service
from app.customers.combining import Combination, Standing, combine, separate
from app.customers.references import MOVING, Way
from app.customers.schemas import Customer, Merge, MergeForm, Stage
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import READ_GATE, Read, WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.http import created
from app.identity import new_id, now
from app.loyalty import service as loyalty

Rows = Mapping[str, Sequence[str]]

_COLUMNS = """m.id, m.source_id, m.target_id, m.reason, m.actor, m.at,
       coalesce((SELECT jsonb_object_agg(r.key, jsonb_array_length(r.value)) FROM jsonb_each(m.rows) AS r
                 WHERE jsonb_array_length(r.value) > 0), '{}'),
       jsonb_array_length(m.contacts), array(SELECT jsonb_object_keys(m.fields)), m.undone_at, m.undone_by"""


def _merge(row: TupleRow) -> Merge:
    id_, source, target, reason, actor, at, rows, contacts, fields, undone_at, undone_by = row
    took = tuple(sorted(fields))
    return Merge(id_, source, target, reason, actor, at, rows, contacts, took, undone_at, undone_by)


OF_CARD = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.customer_merge m
    WHERE {READ_GATE} AND m.target_id = %(customer_id)s ORDER BY m.id DESC LIMIT 200""",
    _merge,
    repository.CUSTOMER,
)
_INSERT = f"""
INSERT INTO crm.customer_merge AS m (id, source_id, target_id, reason, actor, at, fields, contacts, rows)
VALUES (%(id)s, %(source)s, %(target)s, %(reason)s, %(actor)s, %(at)s, %(fields)s, %(contacts)s, %(rows)s)
RETURNING {_COLUMNS}
"""
_UNDO = f"""
UPDATE crm.customer_merge m SET undone_at = %(at)s, undone_by = %(actor)s WHERE m.id = %(id)s
RETURNING {_COLUMNS}
"""
_BORROWED = """
SELECT t.contact FROM crm.customer_merge m CROSS JOIN LATERAL jsonb_array_elements(m.contacts) AS t (contact)
WHERE m.target_id = %(id)s AND m.undone_at IS NULL
"""
# The merge, and the contacts that other cards go on having which are part of the same one.
_STANDING = """
SELECT m.source_id, m.fields, m.contacts, m.rows, m.undone_at,
       coalesce((SELECT jsonb_agg(jsonb_build_array(t.kind, t.value)) FROM crm.customer o
                 JOIN crm.contact t ON t.customer_id = o.id
                 WHERE o.merged_into = m.target_id AND o.id <> m.source_id
                   AND NOT coalesce(m.rows -> 'crm.customer.merged_into', '[]') ? o.id::text), '[]')
FROM crm.customer_merge m WHERE m.id = %(id)s AND m.target_id = %(target)s FOR UPDATE OF m
"""
_REPOINT = """
SELECT r.table || '.' || r.column,
       crm.repoint_customer(r.table::regclass, r.column, r.key, %(from)s, %(to)s,
                            CASE WHEN r.chosen IS NULL THEN NULL
                                 ELSE array(SELECT jsonb_array_elements_text(r.chosen::jsonb)) END, r.sole)
FROM unnest(%(tables)s::text[], %(columns)s::name[], %(keys)s::name[], %(chosen)s::text[],
            %(sole)s::boolean[]) WITH ORDINALITY AS r ("table", "column", key, chosen, sole, place)
ORDER BY r.place
"""


async def merge(database: Database, command: Command, target_id: UUID, form: MergeForm) -> Committed:
    """Make `form.source_id` part of the target. Raises ProblemError: not-found, wrong-state, validation."""
    if form.source_id == target_id:
        raise invalid([FieldError("/source_id", "same", "a card is not merged into itself")])

    async def work(unit: WriteUnit) -> Answer:
        source, target = await _lock_both(unit, form.source_id, target_id)
        _refuse_merged(source, target)
        borrowed = await unit.all(_BORROWED, {"id": target_id}, lambda row: (row[0][0], row[0][1]))
        both = combine(source, target, borrowed, now())
        await _write(unit, both)
        await events.tell_both(unit, events.MERGED, both.source, both.target)
        rows = await _repoint(unit, source.id, target.id, None)
        made = await unit.one(_INSERT, _record(command, form, both, rows), _merge)
        assert made is not None
        await loyalty.transfer(unit, source.id, target.id, f"merge {made.id}", command.principal)
        return created(f"{service.address(target_id)}/merges", None, made)

    return await database.write(command, work)


async def undo(database: Database, command: Command, target_id: UUID, merge_id: UUID) -> Committed:
    """Raises ProblemError: not-found, wrong-state (undone already, or the target was merged itself since)."""

    async def work(unit: WriteUnit) -> Answer:
        row = await unit.one(_STANDING, {"id": merge_id, "target": target_id}, tuple)
        if row is None:
            raise not_found("merge")
        source_id, taken, contacts, rows, undone_at, shared = row
        if undone_at is not None:
            raise ProblemError(Problem.WRONG_STATE, "the merge was undone before", state="undone")
        source, target = await _lock_both(unit, source_id, target_id)
        _refuse_merged(target)
        standing = Standing(taken, [tuple(each) for each in contacts], [tuple(each) for each in shared])
        both = separate(source, target, standing, now())
        await _write(unit, both)
        await events.tell_both(unit, events.SEPARATED, both.source, both.target)
        await _repoint(unit, target_id, source_id, rows)
        await loyalty.give_back(unit, target_id, source_id, f"merge {merge_id}", command.principal)
        parameters = {"id": merge_id, "at": now(), "actor": command.principal}
        return Answer(200, encode(await unit.one(_UNDO, parameters, _merge)))

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        if error.diag.constraint_name not in repository.DUPLICATE_CONSTRAINTS:
            raise
        detail = "another card has the requisites of one of the two by now"
        raise ProblemError(Problem.DUPLICATE_CUSTOMER, detail) from error


async def of_card(database: Database, id_: UUID, freshness: Freshness) -> Found[Merge]:
    return await database.read(OF_CARD, {"customer_id": id_}, freshness)


async def _lock_both(unit: WriteUnit, source_id: UUID, target_id: UUID) -> tuple[Customer, Customer]:
    """In the order of their ids, so that two merges of the same cards never wait for each other in a ring."""
    cards = {id_: await repository.lock(unit, id_) for id_ in sorted((source_id, target_id))}
    source, target = cards[source_id], cards[target_id]
    if target is None:
        raise not_found("customer")
    if source is None:
        raise ProblemError(
            Problem.UNKNOWN_CUSTOMER,
            "no customer with this id",
            errors=[FieldError("/source_id", "unknown", "there is none with this id")],
        )
    return source, target


def _refuse_merged(*cards: Customer) -> None:
    for card in cards:
        if card.merged_into is not None:
            raise service.merged_already(card.merged_into)


async def _write(unit: WriteUnit, both: Combination) -> None:
    """Whichever card gives requisites up is written first: they are one card's only at any time."""
    giver_first = both.source.inn is None
    for card in (both.source, both.target) if giver_first else (both.target, both.source):
        await repository.replace(unit, card)


async def _repoint(unit: WriteUnit, source: UUID, target: UUID, rows: Rows | None) -> Rows:
    """Of all references at once. `rows`: only these, by the reference's name. A round trip."""
    references = [each for each in MOVING if rows is None or rows.get(each.name)]
    parameters = {
        "from": source,
        "to": target,
        "tables": [each.table for each in references],
        "columns": [each.column for each in references],
        "keys": [each.key for each in references],
        "chosen": [None if rows is None else encode(rows[each.name]).decode() for each in references],
        "sole": [rows is None and each.way is Way.ONE for each in references],
    }
    return dict(await unit.all(_REPOINT, parameters, lambda row: (str(row[0]), list(row[1]))))


def _record(command: Command, form: MergeForm, both: Combination, rows: Rows) -> Mapping[str, Any]:
    fields = {name: value.value if isinstance(value, Stage) else value for name, value in both.taken.items()}
    return {
        "id": new_id(),
        "source": both.source.id,
        "target": both.target.id,
        "reason": form.reason,
        "actor": command.principal,
        "at": both.target.updated_at,
        "fields": Jsonb(fields),
        "contacts": Jsonb([list(each) for each in both.contacts]),
        "rows": Jsonb({name: list(keys) for name, keys in rows.items()}),
    }

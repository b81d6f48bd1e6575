"""The SQL of identification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from app import cleansing
from app.customers.repository import CARD, CUSTOMER, customer
from app.database.units import READ_GATE, Read, WriteUnit
from app.identification.deciding import Known
from app.identification.schemas import (
    CallerForm,
    Evidence,
    Identification,
    Level,
    Outcome,
    Representative,
)

A_KEY, A_NAME = 20, 10  # candidates that one key or the name may bring
KEYS = (Evidence.PHONE, Evidence.EMAIL, Evidence.INN, Evidence.SNILS)

_SCENARIO = """
SELECT s.code, coalesce(s.levels, '[]') FROM crm.request_topic t
LEFT JOIN crm.identification_scenario s ON s.code = t.scenario AND s.active
WHERE t.code = %(topic)s AND t.active
"""
# By what was said; or the one card that the operator chose.
_CANDIDATES = f"""
WITH found AS MATERIALIZED (
    SELECT %(customer_id)s::uuid AS id WHERE %(customer_id)s::uuid IS NOT NULL
    UNION
    SELECT k.customer_id
    FROM unnest(%(values)s::text[], %(kinds)s::text[]) AS given (value, kind)
    CROSS JOIN LATERAL (SELECT f.customer_id FROM crm.exact_key f
                        WHERE f.value = given.value AND f.kind = given.kind LIMIT {A_KEY}) AS k
    WHERE %(customer_id)s::uuid IS NULL
    UNION
    SELECT r.customer_id FROM crm.representative r
    WHERE r.phone = %(phone)s AND r.revoked_at IS NULL AND %(customer_id)s::uuid IS NULL
    UNION
    SELECT n.customer_id FROM crm.find_by_words(
        CASE WHEN %(customer_id)s::uuid IS NULL THEN %(words)s::text[] END, {A_NAME}) AS n
)
SELECT {CARD},
       array(SELECT k.last_four FROM crm.card k
             WHERE k.customer_id = c.id AND k.status = 'active' LIMIT 1000),
       coalesce((SELECT jsonb_agg(jsonb_build_array(r.name, r.phone)) FROM crm.representative r
                 WHERE r.customer_id = c.id AND r.revoked_at IS NULL
                   AND (r.valid_until IS NULL OR r.valid_until > now())
                   AND (r.topics = '{{}}' OR %(topic)s = ANY (r.topics))), '[]')
FROM (SELECT DISTINCT coalesce(f.merged_into, f.id) AS id
      FROM found JOIN crm.customer f ON f.id = found.id) AS s
JOIN crm.customer c ON c.id = s.id
ORDER BY c.id
"""
_FIELDS = (
    "id", "topic", "scenario", "outcome", "customer_id", "level", "levels", "confirmed", "wrong", "needed",
    "may_tell", "at", "actor", "valid_until",
)  # fmt: skip
_INSERT = f"""
INSERT INTO crm.identification ({", ".join(_FIELDS)})
VALUES ({", ".join(f"%({name})s" for name in _FIELDS)})
"""


def _identification(row: TupleRow) -> Identification:
    values = dict(zip(_FIELDS, row, strict=True))
    evidence = {
        name: tuple(Evidence(each) for each in values[name]) for name in ("confirmed", "wrong", "needed")
    }
    outcome = Outcome(values["outcome"])
    return Identification(**{**values, **evidence, "outcome": outcome}, candidates=())


BY_ID = Read(
    f"SELECT {', '.join(f'i.{name}' for name in _FIELDS)} FROM crm.identification i"
    f" WHERE {READ_GATE} AND i.id = %(id)s",
    _identification,
)


async def scenario(unit: WriteUnit, topic: str) -> tuple[str | None, Sequence[Level]] | None:
    """The topic's scenario and its levels; None for an unknown topic. A round trip."""

    def make(row: TupleRow) -> tuple[str | None, Sequence[Level]]:
        return row[0], [Level.model_validate(level) for level in row[1]]

    return await unit.one(_SCENARIO, {"topic": topic}, make)


async def candidates(unit: WriteUnit, form: CallerForm, given: Mapping[Evidence, str]) -> Sequence[Known]:
    """Cards that what was said leads to. A round trip."""
    keys = [(given[kind], kind.value) for kind in KEYS if kind in given]
    parameters = {
        "customer_id": form.customer_id,
        "topic": form.topic,
        "values": [value for value, _ in keys],
        "kinds": [kind for _, kind in keys],
        "phone": given.get(Evidence.PHONE),
        "words": list(cleansing.words(form.company or form.person or "")),
    }
    return await unit.all(_CANDIDATES, parameters, _known)


def _known(row: TupleRow) -> Known:
    *card, last_fours, representatives = row
    named = tuple((str(name), phone) for name, phone in representatives)
    return Known(customer(tuple(card)), frozenset(last_fours), named)


async def insert(unit: WriteUnit, made: Identification) -> None:
    """Queued."""
    values = asdict(made)
    await unit.queue(_INSERT, {name: _plain(values[name]) for name in _FIELDS})


def _plain(value: Any) -> Any:
    """Enumerations by their values, as the driver would not know them."""
    if isinstance(value, Evidence | Outcome):
        return value.value
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


_REPRESENTATIVE = "r.id, r.customer_id, r.name, r.phone, r.topics, r.valid_until, r.document, r.revoked_at"
REPRESENTATIVES = Read(
    f"SELECT {_REPRESENTATIVE} FROM crm.representative r"
    f" WHERE {READ_GATE} AND r.customer_id = %(customer_id)s ORDER BY r.id DESC LIMIT 200",
    lambda row: Representative(*row),
    CUSTOMER,
)
_ENTITLE = f"""
INSERT INTO crm.representative AS r (id, customer_id, name, phone, topics, valid_until, document)
SELECT %(id)s, c.id, %(name)s, %(phone)s, %(topics)s, %(valid_until)s, %(document)s
FROM crm.customer c WHERE c.id = %(customer_id)s
RETURNING {_REPRESENTATIVE}
"""
_REVOKE = f"""
UPDATE crm.representative r SET revoked_at = coalesce(r.revoked_at, %(at)s)
WHERE r.id = %(id)s AND r.customer_id = %(customer_id)s RETURNING {_REPRESENTATIVE}
"""


async def entitle(unit: WriteUnit, made: Representative) -> Representative | None:
    """None where the customer is not within reach. A round trip."""
    values = {name: getattr(made, name) for name in Representative.__slots__}
    return await unit.one(_ENTITLE, {**values, "topics": list(made.topics)}, lambda row: Representative(*row))


async def revoke(unit: WriteUnit, customer_id: UUID, id_: UUID, at: datetime) -> Representative | None:
    parameters = {"customer_id": customer_id, "id": id_, "at": at}
    return await unit.one(_REVOKE, parameters, lambda row: Representative(*row))

"""What the engine needs to know, in two questions to the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from app.database.units import READ_GATE, Read, WriteUnit
from app.routing.engine import Candidate
from app.routing.schemas import CustomerType, Party, ProfileForm, RuleForm
from app.sla.clock import HOME_ZONE, WorkingCalendar
from app.sla.schemas import CalendarForm
from app.topics.schemas import Agreement, TopicForm

_RULES = TypeAdapter(tuple[RuleForm, ...])
_ADDED = frozenset({"version", "changed_at", "changed_by"})  # to what was entered
_KEPT = 256  # entries read; an estate has some dozens


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that a topic and a customer say about how a request is to be served."""

    topic: TopicForm
    topic_version: int
    queue_unit: str
    calendar: WorkingCalendar
    profile: ProfileForm
    party: Party
    customer_name: str | None
    region: str | None
    rules: tuple[RuleForm, ...]


# Entries as text: the same text was read before, nearly always (`read_topic` and so on).
SETTING = """
SELECT to_json(t)::text, t.version, q.unit, to_json(k)::text, g.time_zone, g.code,
       p.region, p.customer_type, p.planned_volume, coalesce(p.vip, false), p.manager,
       coalesce(p.contract_unit, crm.contract_unit(c.id)), c.stage, c.name,
       (SELECT coalesce(json_agg(a), '[]')::text FROM crm.assignment_rule a WHERE a.active)
FROM crm.request_topic t
JOIN crm.queue q ON q.code = t.queue
JOIN crm.calendar k ON k.code = t.calendar
LEFT JOIN crm.customer c ON c.id = %(customer_id)s
LEFT JOIN crm.customer_profile p ON p.customer_id = c.id
LEFT JOIN crm.region g ON g.code = coalesce(%(region)s, p.region)
WHERE t.code = %(topic)s
"""
PEOPLE = """
SELECT p.code, p.unit, p.skills, p.lines, p.regions, p.capacity, p.load
FROM crm.people_at_work(%(units)s::text[], %(manager)s) AS p
"""


async def setting(
    unit: WriteUnit, topic: str, customer_id: UUID | None, region: str | None
) -> Setting | None:
    """None if there is no such topic. A round trip."""
    parameters = {"topic": topic, "customer_id": customer_id, "region": region}
    return await unit.one(SETTING, parameters, made_setting)


_AGREEMENT = """
SELECT v.content -> 'sla' FROM crm.directory_version v
WHERE v.directory = 'topics' AND v.code = %(topic)s AND v.version = %(version)s
"""


async def agreement(unit: WriteUnit, topic: str, version: int) -> Agreement | None:
    """As it was in a version of a topic; None if there is no such version. A round trip."""
    parameters = {"topic": topic, "version": version}
    return await unit.one(_AGREEMENT, parameters, lambda row: Agreement.model_validate(row[0]))


async def people(unit: WriteUnit, units: Iterable[str], manager: str | None) -> list[Candidate]:
    """Those at work in the units, and the manager, with their loads. A round trip."""
    return await unit.all(PEOPLE, {"units": list(units), "manager": manager}, made_candidate)


def made_setting(row: TupleRow) -> Setting:
    topic, version, queue_unit, calendar, zone, region, *profile, stage, name, rules = row
    return Setting(
        topic=read_topic(topic),
        topic_version=version,
        queue_unit=queue_unit,
        calendar=read_calendar(calendar, zone or HOME_ZONE),
        profile=_profile(profile),
        party=Party(stage) if stage else Party.UNKNOWN,
        customer_name=name,
        region=region,
        rules=_rules(rules),
    )


@lru_cache(maxsize=_KEPT)
def read_topic(text: str) -> TopicForm:
    return TopicForm.model_validate(_entered(orjson.loads(text)))


@lru_cache(maxsize=_KEPT)
def read_calendar(text: str, zone: str) -> WorkingCalendar:
    return CalendarForm.model_validate(_entered(orjson.loads(text))).working(zone)


@lru_cache(maxsize=_KEPT)
def _rules(text: str) -> tuple[RuleForm, ...]:
    return _RULES.validate_python([_entered(entry) for entry in orjson.loads(text)])


def _entered(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in entry.items() if name not in _ADDED}


def _profile(row: Any) -> ProfileForm:
    region, customer_type, volume, vip, manager, contract_unit = row
    return ProfileForm(
        region=region,
        customer_type=CustomerType(customer_type) if customer_type else None,
        planned_volume=volume,
        vip=vip,
        manager=manager,
        contract_unit=contract_unit,
    )


def made_candidate(row: TupleRow) -> Candidate:
    code, unit, skills, lines, regions, capacity, load = row
    return Candidate(code, unit, frozenset(skills), frozenset(lines), frozenset(regions), capacity, load)


PROFILE = Read(
    f"""
    SELECT p.region, p.customer_type, p.planned_volume, coalesce(p.vip, false), p.manager, p.contract_unit
    FROM crm.customer c LEFT JOIN crm.customer_profile p ON p.customer_id = c.id
    WHERE {READ_GATE} AND c.id = %(id)s""",
    _profile,
)
_SAVE_PROFILE = """
INSERT INTO crm.customer_profile (customer_id, region, customer_type, planned_volume, vip, manager,
                                  contract_unit, changed_at, changed_by)
VALUES (%(id)s, %(region)s, %(customer_type)s, %(planned_volume)s, %(vip)s, %(manager)s, %(contract_unit)s,
        now(), %(actor)s)
ON CONFLICT (customer_id) DO UPDATE
SET (region, customer_type, planned_volume, vip, manager, contract_unit, changed_at, changed_by) =
    (excluded.region, excluded.customer_type, excluded.planned_volume, excluded.vip, excluded.manager,
     excluded.contract_unit, excluded.changed_at, excluded.changed_by)
"""


async def save_profile(unit: WriteUnit, id_: UUID, profile: ProfileForm, actor: str) -> None:
    """Queued. Unknown references break `customer_profile_<column>_fkey`."""
    await unit.queue(_SAVE_PROFILE, {**profile.model_dump(), "id": id_, "actor": actor})

"""What deals ask of the database beside what every record does."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.deals.schemas import TASKS, Deal, DealStageForm, Task
from app.deals.stages import CustomerFacts
from app.records.repository import columns, maker

_FACTS = "o.inn, o.kpp, o.ogrn, (SELECT count(*) FROM crm.contact k WHERE k.customer_id = o.id)"
_STAGE = "to_jsonb(s) - '{version,changed_at,changed_by}'::text[]"

Setting = tuple[DealStageForm, CustomerFacts]


def _setting(row: TupleRow) -> Setting:
    stage, *facts = row
    return DealStageForm.model_validate(stage), CustomerFacts(*facts)


_SETTING = f"""
SELECT {_STAGE}, {_FACTS} FROM crm.deal_stage s, crm.customer o
WHERE s.code = %(stage)s AND o.id = %(customer_id)s
"""
_OPEN_TASKS = f"""
SELECT {columns(TASKS)} FROM crm.task t WHERE t.deal_id = %(id)s AND t.status = 'open' FOR UPDATE
"""

# The deal beside a stage that it might come to.
READINESS = Read(
    f"""
    SELECT t.id, {_STAGE}, {_FACTS}
    FROM crm.deal t JOIN crm.deal_stage s ON s.code = %(stage)s JOIN crm.customer o ON o.id = t.customer_id
    WHERE {READ_GATE} AND t.id = %(id)s""",
    lambda row: _setting(row[1:]),
)


async def setting(unit: WriteUnit, stage: str, customer_id: UUID) -> Setting | None:
    """None if either is unknown to the asker."""
    return await unit.one(_SETTING, {"stage": stage, "customer_id": customer_id}, _setting)


async def known_customer(unit: WriteUnit, customer_id: UUID) -> bool:
    sql = "SELECT 1 FROM crm.customer o WHERE o.id = %(id)s"
    return await unit.one(sql, {"id": customer_id}, lambda row: row[0]) is not None


async def next_number(unit: WriteUnit) -> str:
    """Rising, unique, with gaps."""
    number = await unit.one("SELECT nextval('crm.deal_number')", {}, lambda row: int(row[0]))
    return f"D-{number:07}"


async def open_tasks(unit: WriteUnit, deal: Deal) -> list[Task]:
    return await unit.all(_OPEN_TASKS, {"id": deal.id}, maker(TASKS))

"""What claims ask of the database beside what every record does."""

from __future__ import annotations

from uuid import UUID

from app.claims.schemas import Claim, ClaimKindForm, Document
from app.database.units import READ_GATE, Read, WriteUnit
from app.requests.attachments import Stored

_KIND = """
SELECT to_jsonb(k) - '{version,changed_at,changed_by}'::text[] FROM crm.claim_kind k WHERE k.code = %(code)s
"""
_OWN_ORDER = "SELECT 1 FROM crm.sales_order o WHERE o.id = %(id)s AND o.customer_id = %(customer_id)s"
_ADD = """
INSERT INTO crm.claim_document (id, claim_id, customer_id, name, media_type, sha256, content, created_at)
VALUES (%(id)s, %(claim_id)s, %(customer_id)s, %(name)s, %(media_type)s, %(digest)s, %(content)s,
        %(created_at)s)
"""
CONTENT = Read(
    f"""
    SELECT d.name, d.media_type, encode(d.sha256, 'hex'), d.content
    FROM crm.claim_document d WHERE {READ_GATE} AND d.id = %(id)s AND d.claim_id = %(claim_id)s""",
    lambda row: Stored(row[0], row[1], row[2], bytes(row[3])),
)


async def kind(unit: WriteUnit, code: str) -> ClaimKindForm | None:
    return await unit.one(_KIND, {"code": code}, lambda row: ClaimKindForm.model_validate(row[0]))


async def own_order(unit: WriteUnit, id_: UUID, customer_id: UUID) -> bool:
    """With the asker's eyes: the foreign key would see all orders."""
    parameters = {"id": id_, "customer_id": customer_id}
    return await unit.one(_OWN_ORDER, parameters, lambda row: row[0]) is not None


async def add_document(unit: WriteUnit, claim: Claim, document: Document, content: bytes) -> None:
    """Queued."""
    values = {"claim_id": claim.id, "customer_id": claim.customer_id, "content": content}
    digest = bytes.fromhex(document.sha256)
    await unit.queue(_ADD, {**document.model_dump(), **values, "digest": digest})


async def next_number(unit: WriteUnit) -> str:
    """Rising, unique, with gaps."""
    number = await unit.one("SELECT nextval('crm.claim_number')", {}, lambda row: int(row[0]))
    return f"C-{number:07}"

"""The SQL of receiving and showing bulk loads. How rows are loaded stands in load_sql."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.errors import FieldError
from app.imports.schemas import Format, Job, JobStatus, Rejection

_JOB = """j.id, j.format, j.received_bytes, j.received_rows, p.created, p.enriched, p.unchanged, p.rejected,
       j.created_at, p.loaded_at, j.received_at"""
_JOBS = "crm.import_job j JOIN crm.import_progress p ON p.job_id = j.id"


def _job(row: TupleRow) -> Job:
    id_, format_, size, rows, created, enriched, unchanged, rejected, created_at, loaded_at, received_at = row
    if loaded_at is not None:
        status = JobStatus.DONE
    else:
        status = JobStatus.RECEIVING if received_at is None else JobStatus.LOADING
    return Job(
        id=id_,
        status=status,
        format=Format(format_),
        received_bytes=size,
        received_rows=rows,
        created=created,
        enriched=enriched,
        unchanged=unchanged,
        rejected=rejected,
        created_at=created_at,
        loaded_at=loaded_at,
    )


def _rejection(row: TupleRow) -> Rejection:
    number, line, errors = row
    return Rejection(number, line, [FieldError(**error) for error in errors])


BY_ID = Read(f"SELECT {_JOB} FROM {_JOBS} WHERE {READ_GATE} AND j.id = %(id)s", _job)

BY_KEY = Read(
    f"""
    SELECT j.id, j.format FROM crm.import_job j
    WHERE {READ_GATE} AND j.principal = %(principal)s AND j.key = %(key)s""",
    lambda row: (UUID(str(row[0])), Format(row[1])),
)

HASHES = Read(
    f"""
    SELECT b.sha256 FROM crm.import_block b
    WHERE {READ_GATE} AND b.job_id = %(id)s ORDER BY b.number""",
    lambda row: bytes(row[0]),
)

REJECTIONS = Read(
    f"""
    SELECT r.row, r.line, r.errors FROM crm.import_rejection r
    WHERE {READ_GATE} AND r.job_id = %(id)s AND r.row > %(above)s ORDER BY r.row LIMIT %(rows)s""",
    _rejection,
)

# The same key at once, twice: one makes the job, both go on with it.
_CREATE = """
WITH job AS (
    INSERT INTO crm.import_job (id, principal, key, format, created_at)
    VALUES (%(id)s, %(principal)s, %(key)s, %(format)s, now())
    ON CONFLICT (principal, key) DO NOTHING
    RETURNING id
)
INSERT INTO crm.import_progress (job_id) SELECT id FROM job
"""
# Only the block that comes next is taken. Another stream of the same job that was faster makes this one a
# no-op, which its sender learns from the hash it reads back.
_ADD_BLOCK = """
WITH job AS (
    UPDATE crm.import_job
    SET received_blocks = received_blocks + 1, received_bytes = received_bytes + %(size)s,
        received_rows = received_rows + %(row_count)s, header = coalesce(header, %(header)s)
    WHERE id = %(id)s AND received_blocks = %(number)s AND received_at IS NULL
    RETURNING received_rows - %(row_count)s + 1 AS first_row
)
INSERT INTO crm.import_block (job_id, number, first_row, sha256, content)
SELECT %(id)s, %(number)s, job.first_row, %(sha256)s, %(content)s FROM job
RETURNING number
"""
_END = """
UPDATE crm.import_job SET received_at = now()
WHERE id = %(id)s AND received_at IS NULL AND received_blocks = %(blocks)s
"""


async def create(unit: WriteUnit, id_: UUID, principal: str, key: str, format_: Format) -> None:
    """Queued."""
    parameters = {"id": id_, "principal": principal, "key": key, "format": format_.value}
    await unit.queue(_CREATE, parameters)


async def add_block(
    unit: WriteUnit,
    id_: UUID,
    *,
    number: int,
    content: bytes,
    sha256: bytes,
    row_count: int,
    header: str | None,
) -> bool:
    """False if block `number` is not the one that comes next."""
    parameters = {
        "id": id_,
        "number": number,
        "size": len(content),
        "content": content,
        "sha256": sha256,
        "row_count": row_count,
        "header": header,
    }
    return await unit.one(_ADD_BLOCK, parameters, lambda _: True) or False


async def end(unit: WriteUnit, id_: UUID, blocks: int) -> None:
    """Queued. The stream has ended after that many blocks."""
    await unit.queue(_END, {"id": id_, "blocks": blocks})

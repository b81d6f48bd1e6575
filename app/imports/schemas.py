"""Bulk loads: their state as shown, and what became of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.customers.schemas import Details
from app.errors import FieldError


class Format(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


MEDIA_TYPES = {
    "text/csv": Format.CSV,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
}


class JobStatus(StrEnum):
    RECEIVING = "receiving"
    LOADING = "loading"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Job:
    """How far a bulk load is. Rows: received = created + enriched + unchanged + rejected, once it is done."""

    id: UUID
    status: JobStatus
    format: Format
    received_bytes: int
    received_rows: int
    created: int
    enriched: int
    unchanged: int
    rejected: int
    created_at: datetime
    loaded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not loaded: its number from 1 without a header, the line as it came, and why."""

    row: int
    line: str
    errors: Sequence[FieldError]


@dataclass(frozen=True, slots=True)
class Rejections:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[Rejection]
    next: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be loaded."""

    number: int
    line: bytes
    details: Details


@dataclass(frozen=True, slots=True)
class Counts:
    created: int
    enriched: int
    unchanged: int
    rejected: int

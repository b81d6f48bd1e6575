"""What leaves when a bulk load advances: one event a batch of some 30,000 rows, none row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from app.events.outbox import INSERT, row_of
from app.events.types import EventType

ENTITY = "import"


@dataclass(frozen=True, slots=True)
class LoadAdvanced:
    """Rows so far, by what became of them; `loaded_at` null: there is more to load.

    `GET /imports/{id}/rejections` has the refused rows.
    """

    id: UUID
    created: int
    enriched: int
    unchanged: int
    rejected: int
    loaded_at: datetime | None


ADVANCED = EventType("import.advanced", ENTITY, LoadAdvanced, "a batch of customers was loaded")
LOADED = EventType("import.loaded", ENTITY, LoadAdvanced, "the last batch of customers was loaded")
TYPES = (ADVANCED, LOADED)


def tell(connection: psycopg.Connection, load: LoadAdvanced) -> None:
    """In the batch's transaction, which holds the load locked."""
    kind = ADVANCED if load.loaded_at is None else LOADED
    connection.execute(INSERT, row_of(kind, load.id, load))

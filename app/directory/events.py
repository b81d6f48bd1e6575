"""What leaves when an entry of a directory is made or replaced."""

from __future__ import annotations

from dataclasses import dataclass

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType

ENTITY = "directory"


@dataclass(frozen=True, slots=True)
class EntryChanged:
    """`GET /<directory>/<code>` has the content."""

    directory: str
    code: str
    changed_by: str


CHANGED = EventType("directory.changed", ENTITY, EntryChanged, "an entry of a directory has a new version")
TYPES = (CHANGED,)


async def tell(unit: WriteUnit, directory: str, code: str, version: int, changed_by: str) -> None:
    """Queued; the entry is new or locked."""
    data = EntryChanged(directory, code, changed_by)
    await publish(unit, CHANGED, f"{directory}/{code}", data, version=version)

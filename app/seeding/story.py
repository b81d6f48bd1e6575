"""How an invented record came to be what it is: step by step, with ids that follow from the seed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

from app.records.model import R, RecordEvent


def id_at(moment: datetime, *of: object) -> UUID:
    """UUIDv7 (RFC 9562) of that moment, whose random bits are the same for the same thing."""
    digest = hashlib.sha256(":".join(map(str, of)).encode()).digest()
    value = int(moment.timestamp() * 1000) << 80 | int.from_bytes(digest[:10])
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def fresh(moment: datetime, customer_id: UUID, *of: object) -> dict[str, Any]:
    """The fields that every record begins with, as `records.service.fresh` gives them."""
    id_ = id_at(moment, *of)
    return {"id": id_, "customer_id": customer_id, "version": 1, "created_at": moment, "changed_at": moment}


@dataclass(frozen=True, slots=True)
class Story(Generic[R]):
    """A record as it is now, and its history."""

    record: R
    steps: tuple[RecordEvent, ...]

    @classmethod
    def begun(cls, record: R, kind: str, actor: str) -> Story[R]:
        return cls(record, (RecordEvent(record.version, kind, record.created_at, actor, None),))

    def then(self, changed: R, kind: str, at: datetime, actor: str, note: str | None = None) -> Story[R]:
        """One version on, as `records.service.move` does it."""
        version = self.record.version + 1
        record = changed.model_copy(update={"version": version, "changed_at": at})
        return Story(record, (*self.steps, RecordEvent(version, kind, at, actor, note)))

"""What the audit log is made of. Standard library only, as the operator's machine verifies it too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    WRITE = "write"  # committed together with what it tells of
    DISCLOSURE = "disclosure"  # somebody was shown personal data
    REFUSAL = "refusal"  # somebody known asked for what is not theirs
    NOTICE = "notice"  # of the log itself: a recorder began, ended, was taken over


@dataclass(frozen=True)
class Entry:
    """One thing done or shown. Without slots, as one is made and written of each read (app.database.rows).

    Attributes:
        site: of the API that did it, and so the chain it belongs to.
        unit, region, partner: the principal's home; who may read the entry depends on them.
        operation: method and path, without the query, which may hold what was searched for.
        subjects: paths below the base of what was made, changed or shown, e.g. ``customers/0198…``.
        fingerprint: SHA-256 of method, path and body of a write.
    """

    id: UUID
    site: str
    at: datetime
    kind: Kind
    principal: str
    unit: str | None
    region: str | None
    partner: str | None
    operation: str
    status: int
    subjects: tuple[str, ...]
    trace: str
    client: str | None
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a site's chain at some time. Kept elsewhere, it proves that nothing before it is missing."""

    site: str
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry at its place in the chain."""

    position: int
    hash: bytes
    entry: Entry

    @property
    def head(self) -> Head:
        return Head(self.entry.site, self.position, self.hash)


class Notice(StrEnum):
    """What a recorder says of itself.

    One that began and neither ended nor was taken over is open: it runs, or its host went away with what it
    showed last.
    """

    BEGAN = "recorder began"
    ENDED = "recorder ended"
    TAKEN_OVER = "recorder taken over"

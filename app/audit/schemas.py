"""The audit log as auditors read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.audit.model import Head, Kind, Sealed


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did or saw what, and its place in the chain of its site.

    `hash` and `fingerprint` are SHA-256 in hex. `operation` is the method and path: of a search, `subjects`
    say what was shown, and nothing says what was looked for.
    """

    id: UUID
    site: str
    position: int
    hash: str
    at: datetime
    kind: Kind
    principal: str
    unit: str | None
    region: str | None
    partner: str | None
    operation: str
    status: int
    subjects: Sequence[str]
    trace: str
    client: str | None
    fingerprint: str | None

    @property
    def audit_subject(self) -> str:
        return f"audit/entries/{self.id}"

    @classmethod
    def of(cls, sealed: Sealed) -> AuditEntry:
        entry = sealed.entry
        return cls(
            id=entry.id,
            site=entry.site,
            position=sealed.position,
            hash=sealed.hash.hex(),
            at=entry.at,
            kind=entry.kind,
            principal=entry.principal,
            unit=entry.unit,
            region=entry.region,
            partner=entry.partner,
            operation=entry.operation,
            status=entry.status,
            subjects=entry.subjects,
            trace=entry.trace,
            client=entry.client,
            fingerprint=None if entry.fingerprint is None else entry.fingerprint.hex(),
        )


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of a site's chain. Keep it where nobody who writes to the database does."""

    site: str
    position: int
    hash: str

    @classmethod
    def of(cls, head: Head) -> ChainHead:
        return cls(head.site, head.position, head.hash.hex())


@dataclass(frozen=True, slots=True)
class ChainHeads:
    items: Sequence[ChainHead]

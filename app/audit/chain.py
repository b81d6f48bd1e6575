"""The chain of hashes, and how it is verified. Pure.

`canonical` and `link` say the same as `crm.audit_bytes` and `crm.audit_link` (migrations/0050_audit.sql),
written anew: so the verification does not trust the database with anything but the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app.audit.model import Head, Sealed

GENESIS = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Fault(StrEnum):
    """What a break of the chain shows."""

    CHANGED = "changed"  # the content is not what was sealed, or stands at another's place
    MISSING = "missing"  # positions before this one are not there
    TRUNCATED = "truncated"  # the chain ends before a head that was published
    REWRITTEN = "rewritten"  # the chain holds, but is not the one that was published


@dataclass(frozen=True, slots=True)
class Break:
    site: str
    position: int
    fault: Fault
    detail: str


def _field(value: str | None) -> bytes:
    if value is None:
        return b"-,"
    content = value.encode()
    return b"%d:%b," % (len(content), content)


def canonical(sealed: Sealed) -> bytes:
    """The bytes that are hashed: every field with its length in front, so no two entries share them."""
    entry = sealed.entry
    subjects = b"".join(map(_field, entry.subjects)).decode()
    values = (
        entry.site,
        str(sealed.position),
        str(entry.id),
        str((entry.at - _EPOCH) // _MICROSECOND),
        entry.kind.value,
        entry.principal,
        entry.unit,
        entry.region,
        entry.partner,
        entry.operation,
        str(entry.status),
        subjects,
        entry.trace,
        entry.client,
        None if entry.fingerprint is None else entry.fingerprint.hex(),
    )
    return b"".join(map(_field, values))


def link(before: bytes, content: bytes) -> bytes:
    return hashlib.sha256(before + content).digest()


def verify(
    entries: Iterable[Sealed], published: Iterable[Head] = (), heads: dict[str, Head] | None = None
) -> Iterator[Break]:
    """Every break of the chains, given all entries ordered by site and position.

    `published` are heads that were kept elsewhere; `heads` is filled with the ends of the chains found.
    """
    ends = {} if heads is None else heads
    wanted = {(head.site, head.position): head for head in published}
    for sealed in entries:
        before = ends.get(sealed.entry.site)
        yield from _check_place(sealed, before)
        yield from _check_published(sealed, wanted.pop((sealed.entry.site, sealed.position), None))
        ends[sealed.entry.site] = sealed.head
    yield from _cut_off(wanted, ends)


def _check_place(sealed: Sealed, before: Head | None) -> Iterator[Break]:
    """Against the entry before. Each fault is told once: the next entry is judged by the hash stored here."""
    expected = 1 if before is None else before.position + 1
    site, position = sealed.entry.site, sealed.position
    if position != expected:
        yield Break(site, position, Fault.MISSING, f"{expected} … {position - 1} are not there")
        return  # what its hash was made of is gone
    if link(GENESIS if before is None else before.hash, canonical(sealed)) != sealed.hash:
        yield Break(site, position, Fault.CHANGED, "the hash is not that of the content and the entry before")


def _check_published(sealed: Sealed, published: Head | None) -> Iterator[Break]:
    if published is not None and published.hash != sealed.hash:
        yield Break(
            published.site, published.position, Fault.REWRITTEN, "another hash was published for this place"
        )


def _cut_off(wanted: Mapping[tuple[str, int], Head], ends: Mapping[str, Head]) -> Iterator[Break]:
    """Published heads whose place was not met: behind the end, or in a gap that was told already."""
    for site, position in sorted(wanted):
        end = ends[site].position if site in ends else 0
        if position > end:
            yield Break(site, position, Fault.TRUNCATED, f"published, but the chain ends at {end}")

"""Files of a request: checked by content, known by their hash, kept in rows."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from psycopg.rows import TupleRow
from pydantic import Field, StringConstraints

from app.database.units import READ_GATE, Read, WriteUnit
from app.errors import FieldError, invalid
from app.fields import Form
from app.requests.repository import REQUEST

MAX_BYTES = 5 * 1024 * 1024  # decoded; the whole body must also fit CRM_MAX_BODY_BYTES


def _text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(prefixes)


_OFFICE = "application/vnd.openxmlformats-officedocument"
# What may be attached, and how its content shows that it is what it says.
TYPES: dict[str, Callable[[bytes], bool]] = {
    "image/png": _starts(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP",
    "application/pdf": _starts(b"%PDF-"),
    f"{_OFFICE}.wordprocessingml.document": _starts(b"PK\x03\x04"),
    f"{_OFFICE}.spreadsheetml.sheet": _starts(b"PK\x03\x04"),
    "text/plain": _text,
    "text/csv": _text,
}

# No directories, no control characters, no hidden or relative names.
FileName = Annotated[str, StringConstraints(pattern=r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,149}$")]


class AttachmentForm(Form):
    """`content` is base64 (RFC 4648, with padding)."""

    name: FileName
    media_type: Annotated[str, StringConstraints(max_length=100)]
    content: Annotated[str, Field(min_length=4, max_length=MAX_BYTES * 4 // 3 + 4)]


@dataclass(frozen=True, slots=True)
class Attachment:
    """`sha256` in hexadecimal."""

    id: UUID
    request_id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    name: str
    media_type: str
    sha256: str
    content: bytes


def content_of(form: AttachmentForm) -> bytes:
    """The decoded content. Raises ProblemError (validation) unless it is what it says it is."""
    if form.media_type not in TYPES:
        raise invalid([FieldError("/media_type", "not-allowed", f"allowed: {', '.join(TYPES)}")])
    try:
        content = base64.b64decode(form.content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid([FieldError("/content", "base64", "not base64")]) from None
    if len(content) > MAX_BYTES:
        raise invalid([FieldError("/content", "too-large", f"more than {MAX_BYTES} bytes")])
    if not content or not TYPES[form.media_type](content):
        raise invalid([FieldError("/content", "wrong-type", f"the content is not {form.media_type}")])
    return content


def refusal(media_type: str, content: bytes) -> str | None:
    """Why a file that came by itself is not kept; None if it is. The same rules as for a form."""
    if media_type not in TYPES:
        return f"the type {media_type} is not allowed"
    if len(content) > MAX_BYTES:
        return f"more than {MAX_BYTES} bytes"
    if not content or not TYPES[media_type](content):
        return f"the content is not {media_type}"
    return None


_DIGESTS = "SELECT encode(a.sha256, 'hex') FROM crm.attachment a WHERE a.request_id = %(id)s"


async def digests(unit: WriteUnit, request_id: UUID) -> frozenset[str]:
    """Of the files that the request has already. A round trip."""
    return frozenset(await unit.all(_DIGESTS, {"id": request_id}, lambda row: str(row[0])))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_INSERT = """
INSERT INTO crm.attachment (id, request_id, name, media_type, size, sha256, actor, created_at, content)
VALUES (%(id)s, %(request_id)s, %(name)s, %(media_type)s, %(size)s, %(digest)s, %(actor)s, %(created_at)s,
        %(content)s)
"""


async def insert(unit: WriteUnit, attachment: Attachment, content: bytes) -> None:
    """Queued. The same content twice breaks `attachment_content_key`."""
    values = {name: getattr(attachment, name) for name in Attachment.__slots__}
    await unit.queue(_INSERT, {**values, "digest": bytes.fromhex(attachment.sha256), "content": content})


def _attachment(row: TupleRow) -> Attachment:
    return Attachment(*row)


OF_REQUEST = Read(
    f"""
    SELECT a.id, a.request_id, a.name, a.media_type, a.size, encode(a.sha256, 'hex'), a.actor, a.created_at
    FROM crm.attachment a WHERE {READ_GATE} AND a.request_id = %(id)s AND a.id > %(above)s
    ORDER BY a.id LIMIT %(rows)s""",  # noqa: S608 - of constants
    _attachment,
    REQUEST,
)
CONTENT = Read(
    f"""
    SELECT a.name, a.media_type, encode(a.sha256, 'hex'), a.content
    FROM crm.attachment a WHERE {READ_GATE} AND a.id = %(id)s""",  # noqa: S608 - of constants
    lambda row: Stored(row[0], row[1], row[2], bytes(row[3])),
)

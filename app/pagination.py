"""Keyset pages by id, mostly newest first, without counting. A cursor is the last id of the page before.

It holds no server state and no LSN, so it means the same on every node and after every switch.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query

from app.database.database import Database, Found, Freshness
from app.database.units import Parameters, Read
from app.errors import FieldError, Problem, ProblemError

T = TypeVar("T")

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
FIRST = UUID(int=2**128 - 1)  # above every id there is
OLDEST = UUID(int=0)  # below every id there is
_VERSION = b"\x01"
_KEY_VERSION = b"\x02"

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page")]
KeyCursor = Annotated[str | None, Query(max_length=2000, description="From `next` of the page before")]
Cursor = Annotated[str | None, Query(max_length=64, description="From `next` of the page before")]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the address of the next page, null on the last."""

    items: Sequence[T]
    next: str | None


def encode_cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(_VERSION + last.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, first: UUID = FIRST) -> UUID:
    """The id beyond which the page begins; that of the first is beyond `first`.

    Raises ProblemError for anything we did not make.
    """
    if cursor is None:
        return first
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != len(_VERSION) + 16 or not raw.startswith(_VERSION):
        raise cursor_invalid()
    return UUID(bytes=raw[len(_VERSION) :])


def cursor_invalid() -> ProblemError:
    error = FieldError("?cursor", "cursor-invalid", "use the address in `next` as it is")
    return ProblemError(Problem.CURSOR_INVALID, error.detail, errors=[error])


def encode_key(*parts: str) -> str:
    """A cursor for lists whose order is not that of ids: the key of the last item."""
    return base64.urlsafe_b64encode(_KEY_VERSION + "\x00".join(parts).encode()).rstrip(b"=").decode()


def decode_key(cursor: str, parts: int) -> list[str]:
    """As many parts as were encoded. Raises ProblemError for anything we did not make."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = raw.removeprefix(_KEY_VERSION).decode().split("\x00")
    except ValueError:
        raise cursor_invalid() from None
    if not raw.startswith(_KEY_VERSION) or len(found) != parts:
        raise cursor_invalid()
    return found


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


I = TypeVar("I", bound=Identified)  # noqa: E741  # an item


def page(rows: Sequence[I], limit: int, path: str, query: Mapping[str, str]) -> Page[I]:
    """A page from up to `limit` + 1 rows; the surplus row only says that there are more."""
    return _page(rows, limit, path, query, lambda last: encode_cursor(last.id))


def keyed_page(
    rows: Sequence[T], limit: int, path: str, query: Mapping[str, str], key: Callable[[T], Sequence[str]]
) -> Page[T]:
    """As `page`, where the order is not that of ids. `key`: what `decode_key` gives for the next page."""
    return _page(rows, limit, path, query, lambda last: encode_key(*key(last)))


def _page(
    rows: Sequence[T], limit: int, path: str, query: Mapping[str, str], cursor: Callable[[T], str]
) -> Page[T]:
    items = rows[:limit]
    if len(rows) <= limit:
        return Page(items, None)
    return Page(items, f"{path}?{urlencode({**query, 'cursor': cursor(items[-1])})}")


async def read(
    database: Database,
    freshness: Freshness,
    statement: Read[I],
    parameters: Parameters,
    *,
    path: str,
    query: Mapping[str, str],
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
) -> tuple[Page[I], Found[I]]:
    """The page after the cursor. The statement takes `below` (an id) and `rows` besides the parameters.

    `oldest_first`: in the order in which it was said; `above` instead of `below`.
    """
    side, first = ("above", OLDEST) if oldest_first else ("below", FIRST)
    window = {side: decode_cursor(cursor, first), "rows": limit + 1}
    found = await database.read(statement, {**parameters, **window}, freshness)
    return page(found.rows, limit, path, {"limit": str(limit), **query}), found

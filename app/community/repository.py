"""The SQL of feed and messenger. Who sees what is said by row-level security (0105_community.sql)."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from psycopg.rows import TupleRow

from app.community.schemas import Category, Conversation, Letter, Member, Post
from app.database.units import READ_GATE, Read, Whole, WriteUnit


def _post(row: TupleRow) -> Post:
    id_, author, category, *rest = row
    return Post(id_, author, Category(category), *rest)


@cache
def feed(filters: frozenset[str]) -> Read[Post]:
    conditions = "".join(f" AND p.{name} = %({name})s" for name in sorted(filters))
    return Read(
        f"""
        SELECT p.id, p.author, p.category, p.text, p.created_at, p.hidden FROM crm.post p
        WHERE {READ_GATE} AND NOT p.hidden AND p.id < %(below)s{conditions}
        ORDER BY p.id DESC LIMIT %(rows)s""",
        _post,
    )


_ADD_POST = """
INSERT INTO crm.post (id, author, category, text, created_at)
VALUES (%(id)s, %(author)s, %(category)s, %(text)s, %(created_at)s)
"""
_HIDE = """
UPDATE crm.post p SET hidden = true WHERE p.id = %(id)s
RETURNING p.id, p.author, p.category, p.text, p.created_at, p.hidden
"""
_LETTER = "l.id, l.sender, l.recipient, l.text, l.created_at, l.read_at"
_ADD_LETTER = """
INSERT INTO crm.letter (id, sender, recipient, text, created_at)
SELECT %(id)s, %(sender)s, m.id, %(text)s, %(created_at)s
FROM crm.portal_members() m WHERE m.id = %(recipient)s AND m.id <> %(sender)s
RETURNING id
"""
_MARK_READ = """
WITH marked AS (
    UPDATE crm.letter l SET read_at = %(at)s
    WHERE l.recipient = %(me)s AND l.sender = %(peer)s AND l.read_at IS NULL RETURNING 1
)
SELECT count(*) FROM marked
"""
LETTERS = Read(
    f"""
    SELECT {_LETTER} FROM crm.letter l
    WHERE {READ_GATE} AND l.id < %(below)s
      AND (l.sender, l.recipient) IN ((%(as_principal)s, %(peer)s), (%(peer)s, %(as_principal)s))
    ORDER BY l.id DESC LIMIT %(rows)s""",
    lambda row: Letter(*row),
    Whole(
        "client", Read(f"SELECT true FROM crm.portal_members() m WHERE {READ_GATE} AND m.id = %(peer)s", bool)
    ),
)
CONVERSATIONS = Read(
    f"""
    SELECT c.id, c.peer, c.sender, c.text, c.created_at, c.unread
    FROM (
        SELECT DISTINCT ON (o.peer) l.id, o.peer, l.sender, l.text, l.created_at,
               count(*) FILTER (WHERE l.recipient = %(as_principal)s AND l.read_at IS NULL)
                   OVER (PARTITION BY o.peer) AS unread
        FROM crm.letter l, LATERAL (
            SELECT CASE WHEN l.sender = %(as_principal)s THEN l.recipient ELSE l.sender END AS peer) o
        WHERE %(as_principal)s IN (l.sender, l.recipient)
        ORDER BY o.peer, l.id DESC
    ) c
    WHERE {READ_GATE} AND c.id < %(below)s ORDER BY c.id DESC LIMIT %(rows)s""",
    lambda row: Conversation(*row),
)
MEMBERS = Read(
    f"""
    SELECT m.id, m.title FROM crm.portal_members() m
    WHERE {READ_GATE} AND m.id > %(after)s ORDER BY m.id LIMIT %(rows)s""",
    lambda row: Member(*row),
)


async def add_post(unit: WriteUnit, post: Post) -> None:
    """Queued."""
    values = {name: getattr(post, name) for name in Post.__slots__}
    await unit.queue(_ADD_POST, {**values, "category": post.category.value})


async def hide(unit: WriteUnit, id_: Any) -> Post | None:
    return await unit.one(_HIDE, {"id": id_}, _post)


async def add_letter(unit: WriteUnit, letter: Letter) -> bool:
    """False if nobody of that name has an account in the portal, or it is the sender."""
    values = {name: getattr(letter, name) for name in Letter.__slots__}
    return await unit.one(_ADD_LETTER, values, lambda row: row[0]) is not None


async def mark_read(unit: WriteUnit, me: str, peer: str, at: datetime) -> int:
    return await unit.one(_MARK_READ, {"me": me, "peer": peer, "at": at}, lambda row: int(row[0])) or 0

"""The SQL of chats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from app.chats.schemas import ChatMessage
from app.database.units import READ_GATE, Read, Whole, WriteUnit

_COLUMNS = "m.id, m.customer_id, m.author, m.of_customer, m.text, m.created_at"
# A message after which there is none in its chat.
LATEST = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.chat_message m
    WHERE {READ_GATE} AND m.id < %(below)s
      AND NOT EXISTS (SELECT FROM crm.chat_message n WHERE n.customer_id = m.customer_id AND n.id > m.id)
    ORDER BY m.id DESC LIMIT %(rows)s""",
    lambda row: ChatMessage(*row),
)
LATER = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.chat_message m
    WHERE {READ_GATE} AND m.customer_id = %(customer_id)s AND m.id > %(after)s
    ORDER BY m.id LIMIT %(rows)s""",
    lambda row: ChatMessage(*row),
)
_LAST = "(SELECT m.id FROM crm.chat_message m WHERE m.customer_id = o.id ORDER BY m.id DESC LIMIT 1)"


@dataclass(frozen=True, slots=True)
class Newest:
    """`chat`: its customer; `id`: of its last message, None in an empty one."""

    chat: UUID
    id: UUID | None


# The chat of a customer, if who asks takes part in it; that of the card it became, if it was merged.
REACHED = Read(
    f"""
    SELECT o.id, {_LAST}
    FROM crm.customer c JOIN crm.customer o ON o.id = coalesce(c.merged_into, c.id)
    WHERE {READ_GATE} AND c.id = %(customer_id)s
      AND (crm.granted('reads') @> '{{chat:*}}' OR crm.reached_by_customer('chat', o.id))""",
    lambda row: Newest(*row),
)
# Of a merged card: the chat that its own has become part of.
CHAT = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.chat_message m
    WHERE {READ_GATE} AND m.id < %(below)s
      AND m.customer_id = (
          SELECT coalesce(c.merged_into, c.id) FROM crm.customer c WHERE c.id = %(customer_id)s)
    ORDER BY m.id DESC LIMIT %(rows)s""",
    lambda row: ChatMessage(*row),
    Whole("customer", REACHED),
)
# Of chats and the last messages that are known of them: where there is a later one.
NEWEST = Read(
    f"""
    SELECT k.chat, n.id FROM unnest(%(chats)s::uuid[], %(after)s::uuid[]) AS k (chat, after), LATERAL (
        SELECT m.id FROM crm.chat_message m WHERE m.customer_id = k.chat AND m.id > k.after
        ORDER BY m.id DESC LIMIT 1) AS n
    WHERE {READ_GATE}""",
    lambda row: (UUID(str(row[0])), UUID(str(row[1]))),
)
_IN_ORDER = """
SELECT pg_advisory_xact_lock(hashtextextended('chat:' || coalesce(o.merged_into, o.id)::text, 0))
FROM crm.customer o WHERE o.id = %(customer_id)s
"""
# With the eyes of who asks. A statement of its own: it has to see what was committed while it waited.
_CHAT = f"""
SELECT o.id, {_LAST}
FROM crm.customer c JOIN crm.customer o ON o.id = coalesce(c.merged_into, c.id) WHERE c.id = %(customer_id)s
"""
_ADD = """
INSERT INTO crm.chat_message (id, customer_id, author, of_customer, text, created_at)
VALUES (%(id)s, %(customer_id)s, %(author)s, %(of_customer)s, %(text)s, %(created_at)s)
"""


async def add(unit: WriteUnit, message: ChatMessage) -> ChatMessage | None:
    """As it was stored; None if there is no such customer.

    One message of a chat at a time, each with a higher id than the one before, whatever the clocks of two
    hosts say: so events leave in order, and a stream knows by the last id where it is.
    """
    await unit.queue(_IN_ORDER, {"customer_id": message.customer_id})
    found = await unit.one(_CHAT, {"customer_id": message.customer_id}, lambda row: Newest(*row))
    if found is None:
        return None
    stored = replace(message, id=later_than(found.id, message.id), customer_id=found.chat)
    await unit.queue(_ADD, {name: getattr(stored, name) for name in ChatMessage.__slots__})
    return stored


def later_than(last: UUID | None, id_: UUID) -> UUID:
    """The id, or the next one after the last where that was made by a faster clock. Pure."""
    return id_ if last is None or id_ > last else UUID(int=last.int + 1)

"""The SQL of chats."""

from __future__ import annotations

from app.chats.schemas import ChatMessage
from app.database.units import READ_GATE, Read, WriteUnit

_COLUMNS = "m.id, m.customer_id, m.author, m.of_customer, m.text, m.created_at"
CHAT = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.chat_message m
    WHERE {READ_GATE} AND m.customer_id = %(customer_id)s AND m.id < %(below)s
    ORDER BY m.id DESC LIMIT %(rows)s""",
    lambda row: ChatMessage(*row),
)
# A message after which there is none in its chat.
LATEST = Read(
    f"""
    SELECT {_COLUMNS} FROM crm.chat_message m
    WHERE {READ_GATE} AND m.id < %(below)s
      AND NOT EXISTS (SELECT FROM crm.chat_message n WHERE n.customer_id = m.customer_id AND n.id > m.id)
    ORDER BY m.id DESC LIMIT %(rows)s""",
    lambda row: ChatMessage(*row),
)
# The customer is looked up with the eyes of who asks.
_ADD = """
INSERT INTO crm.chat_message (id, customer_id, author, of_customer, text, created_at)
SELECT %(id)s, o.id, %(author)s, %(of_customer)s, %(text)s, %(created_at)s
FROM crm.customer o WHERE o.id = %(customer_id)s
RETURNING id
"""
_IN_ORDER = "SELECT pg_advisory_xact_lock(hashtextextended('chat:' || %(customer_id)s::text, 0))"


async def add(unit: WriteUnit, message: ChatMessage) -> bool:
    """False if there is no such customer. One message of a chat at a time: so its events are in order."""
    values = {name: getattr(message, name) for name in ChatMessage.__slots__}
    await unit.queue(_IN_ORDER, values)
    return await unit.one(_ADD, values, lambda row: row[0]) is not None

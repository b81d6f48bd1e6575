"""Letters with the customer, kept with the request."""

from __future__ import annotations

from string import Template

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import new_id, now
from app.requests import events
from app.requests.channels import Channel
from app.requests.repository import REQUEST
from app.requests.schemas import CustomerRequest, Direction, Message
from app.routing.repository import Setting
from app.topics.schemas import Occasion

SYSTEM = "system"


_INSERT = """
INSERT INTO crm.request_message (id, request_id, direction, channel, author, body, external_id, created_at)
VALUES (%(id)s, %(request_id)s, %(direction)s, %(channel)s, %(author)s, %(text)s, %(external_id)s,
        %(created_at)s)
"""


def _message(row: TupleRow) -> Message:
    id_, request_id, direction, channel, *rest = row
    return Message(id_, request_id, Direction(direction), Channel(channel), *rest)


OF_REQUEST = Read(
    f"""
    SELECT m.id, m.request_id, m.direction, m.channel, m.author, m.body, m.external_id, m.created_at
    FROM crm.request_message m WHERE {READ_GATE} AND m.request_id = %(id)s AND m.id > %(above)s
    ORDER BY m.id LIMIT %(rows)s""",  # noqa: S608 - of constants
    _message,
    REQUEST,
)


async def add(unit: WriteUnit, request: CustomerRequest, message: Message) -> None:
    """Queued. A message known by its sender's id breaks `request_message_external_key`."""
    parameters = {name: getattr(message, name) for name in Message.__slots__}
    parameters |= {"direction": message.direction.value, "channel": message.channel.value}
    await unit.queue(_INSERT, parameters)
    await events.tell_message(unit, request, message)


async def write_to_customer(
    unit: WriteUnit, request: CustomerRequest, setting: Setting, occasion: Occasion
) -> None:
    """Queued; nothing where the topic has no template for the occasion."""
    text = worded(request, setting, occasion)
    if text is None:
        return
    message = Message(new_id(), request.id, Direction.OUT, request.channel, SYSTEM, text, None, now())
    await add(unit, request, message)


def worded(request: CustomerRequest, setting: Setting, occasion: Occasion) -> str | None:
    """The topic's message in the language of the request, made out to who wrote. Pure."""
    template = getattr(setting.topic.templates, occasion.value)
    if template is None:
        return None
    due = request.solution_due
    return Template(getattr(template, request.language)).safe_substitute(
        subject=request.subject,
        customer=setting.customer_name or request.sender or "",
        operator=request.assignee or "",
        resolution=request.resolution or "",
        due=due.astimezone(setting.calendar.zone).strftime("%d.%m.%Y %H:%M") if due else "",
    )

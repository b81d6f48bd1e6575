"""The feed: events in their order, for those who pull (docs/decisions/0140-events.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from psycopg.rows import TupleRow

from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import Problem, ProblemError
from app.events import cursor
from app.events.cursor import BEGINNING, Place
from app.events.types import Event
from app.http import BASE

PATH = f"{BASE}/events"
LATEST = "latest"
SEQUENCED_AT_ONCE = 1000

SEQUENCE = "SELECT crm.sequence_events(%(batch)s)"
_HEAD = """
SELECT h.position, h.purged, (SELECT e.id FROM crm.event e WHERE e.position = h.position),
       (SELECT e.id FROM crm.event e WHERE e.position = %(after)s)
FROM crm.event_head h
"""
_PAGE = """
SELECT e.position, e.id, e.type, e.at, e.entity, e.version, e.data FROM crm.event e
WHERE e.position > %(after)s AND e.position <= %(head)s AND crm.wants(%(types)s, e.type)
ORDER BY e.position LIMIT %(limit)s
"""
_NOTE = """
INSERT INTO crm.feed_reader (principal, position, read_at) VALUES (%(principal)s, %(position)s, now())
ON CONFLICT (principal) DO UPDATE SET position = excluded.position, read_at = excluded.read_at
"""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """`next` is where to go on, now or later; `more`: there is more already."""

    items: Sequence[Event]
    next: str
    more: bool


@dataclass(frozen=True, slots=True)
class Head:
    """How far events are numbered, how far they were removed, and which stand at the two ends."""

    position: int
    purged: int
    last: UUID | None
    at_cursor: UUID | None

    @property
    def place(self) -> Place:
        """The end of the feed; without any event left, its number alone."""
        if self.position == 0:
            return BEGINNING
        return cursor.place_of(self.position, self.last) if self.last else Place(self.position, bytes(8))

    def start(self, place: Place) -> int:
        """The position to read after. Raises ProblemError (cursor-lost) if events in between are gone."""
        if place == BEGINNING:
            return self.purged
        if place.position == self.purged:
            return place.position
        if self.at_cursor is None or cursor.place_of(place.position, self.at_cursor) != place:
            detail = (
                "events after this place were removed, or taken back by a failover with accepted loss;"
                " read everything anew, then the feed from its beginning"
            )
            raise ProblemError(Problem.CURSOR_LOST, detail)
        return place.position


async def page(
    database: Database, command: Command, *, after: str | None, types: Sequence[str], limit: int
) -> Committed:
    """A unit of work, not a read: what it shows is on the other site before anybody is shown it."""

    async def work(unit: WriteUnit) -> Answer:
        await unit.queue(SEQUENCE, {"batch": SEQUENCED_AT_ONCE})
        place = BEGINNING if after in (None, LATEST) else cursor.decode(after or "")
        head = await unit.one(_HEAD, {"after": place.position}, lambda row: Head(*row))
        assert head is not None
        start = head.position if after == LATEST else head.start(place)
        parameters = {"after": start, "head": head.position, "types": list(types), "limit": limit + 1}
        rows = await unit.all(_PAGE, parameters, to_event)
        shown, more = rows[:limit], len(rows) > limit
        reached = cursor.place_of(shown[-1][0], shown[-1][1].id) if more else head.place
        if shown or after == LATEST:
            await unit.queue(_NOTE, {"principal": command.principal, "position": reached.position})
        items = [event for _, event in shown]
        body = encode(FeedPage(items, address(reached, types, limit), more))
        # Integrations look every second; what they were shown is recorded, that there was nothing is not.
        return Answer(200, body, subjects=subjects_of(items), audited=bool(items))

    return await database.write(command, work)


def subjects_of(events: Sequence[Event]) -> list[str]:
    """For the audit log: `requests/0198…`, each once."""
    split = (event.entity.partition(":") for event in events)
    return list(dict.fromkeys(key if "/" in key else f"{kind}s/{key}" for kind, _, key in split))


def address(place: Place, types: Sequence[str], limit: int) -> str:
    query = [("after", cursor.encode(place)), ("limit", str(limit))]
    return f"{PATH}?{urlencode([*query, *(('types', name) for name in types)])}"


def to_event(row: TupleRow) -> tuple[int, Event]:
    position, id_, type_, at, entity, version, data = row
    return position, Event(id_, type_, at, entity, version, data)

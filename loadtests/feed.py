"""A page of the event feed as read: events, their positions, and which of the load's writes they tell of.

A webhook delivers the same events one by one (`receiver`).

To whoever follows the feed a cursor is opaque. The proof alone looks into it: positions are numbers without
gaps, so that an event which was left out shows (docs/decisions/0140-events.md; the layout is that of
app/events/cursor.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from loadtests.api import BASE, Call
from loadtests.ledger import Facts, Told
from loadtests.policy import Answer

# At most as many events a page. One of card transactions tells of all that came within about a second.
PAGE_MAX = 100
PATH = f"{BASE}/events"
_POSITION = slice(1, 9)  # after a byte for the version
# The types that tell of the load's writes (`_markers`).
TYPES = (
    "card-transaction-batch.received",
    "customer.registered",
    "request.registered",
    "request.taken",
    "request.closed",
)
# The state of a page that the feed goes on after.
MORE = "more"
# Of a digest's 64 characters; enough to tell events apart that differ by accident.
_DIGEST = 16


def newest() -> Call:
    """Ask where the feed ends now."""
    return Call("GET", _address("latest"), facts=lambda answer: Facts(reached=position_of(next_of(answer))))


def read_on(cursor: str) -> Call:
    """Ask for what came after a cursor."""
    return Call("GET", _address(cursor), facts=lambda answer: _page(position_of(cursor), answer))


def next_of(answer: Answer) -> str:
    """Return the cursor to go on from.

    Raises:
        ValueError: the answer is no page of the feed.
    """
    address = answer.body.get("next")
    cursors = parse_qs(urlsplit(address).query).get("after") if isinstance(address, str) else None
    if not cursors:
        raise ValueError(f"no page of the feed: next is {address!r}")
    return cursors[0]


def has_more(answer: Answer) -> bool:
    return answer.body.get("more") is True


def position_of(cursor: str) -> int:
    """Return the position after which a cursor stands; raise `ValueError` when it is no cursor."""
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    if len(raw) < _POSITION.stop:
        raise ValueError(f"no cursor: {cursor!r}")
    return int.from_bytes(raw[_POSITION], "big")


def _address(after: str) -> str:
    return f"{PATH}?{urlencode({'after': after, 'limit': PAGE_MAX})}"


def _page(after: int, answer: Answer) -> Facts:
    items = answer.body.get("items")
    events = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    told = tuple(told_by(event, after + number) for number, event in enumerate(events, start=1))
    state = MORE if has_more(answer) else None
    return Facts(state=state, after=after, reached=position_of(next_of(answer)), told=told)


def told_by(event: Mapping[str, object], position: int | None) -> Told:
    """Return what an event tells, in the ledger's words."""
    data, version = event.get("data"), event.get("version")
    type_ = str(event.get("type"))
    return Told(
        position=position,
        id=str(event.get("id")),
        type=type_,
        entity=str(event.get("entity")),
        version=version if isinstance(version, int) else None,
        markers=tuple(_markers(type_, data)) if isinstance(data, dict) else (),
        digest=_digest(event),
    )


def _digest(event: Mapping[str, object]) -> str:
    """Return the same for the same content, in whatever order and spacing it was sent."""
    content = json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(content).hexdigest()[:_DIGEST]


def _markers(type_: str, data: Mapping[str, object]) -> Iterator[str]:
    """Yield the load's markers: of what is new they are the id from outside, of later steps the note."""
    match type_, data:
        case "card-transaction-batch.received", {"processing_ids": [*ids]}:
            yield from (id_ for id_ in ids if isinstance(id_, str))
        case "customer.registered" | "request.registered", {"external_id": str(marker)}:
            yield marker
        case "request.taken" | "request.closed", {"note": str(marker)}:
            yield marker

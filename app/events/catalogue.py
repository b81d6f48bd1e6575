"""All types of events, collected from the slices: subscriptions and AsyncAPI go by them."""

from __future__ import annotations

from typing import Any

from app.bookings import events as bookings
from app.calls import events as calls
from app.card_transactions import events as card_transactions
from app.cards import events as cards
from app.chats import events as chats
from app.claims.schemas import CLAIMS
from app.community import events as community
from app.contracts.schemas import CONTRACTS
from app.customers import events as customers
from app.deals.schemas import DEALS, TASKS
from app.directory import events as directory
from app.events.types import EventType
from app.imports import events as imports
from app.loyalty import events as loyalty
from app.orders.schemas import ORDERS
from app.requests import events as requests
from app.sla import events as sla
from app.stations import events as stations

RECORDS = (DEALS, TASKS, CONTRACTS, ORDERS, CLAIMS)
CATALOGUE: tuple[EventType[Any], ...] = (
    *customers.TYPES,
    *requests.TYPES,
    *sla.TYPES,
    *directory.TYPES,
    *cards.TYPES,
    *loyalty.TYPES,
    *stations.TYPES,
    *card_transactions.TYPES,
    *calls.TYPES,
    *bookings.TYPES,
    *imports.TYPES,
    *chats.TYPES,
    *community.TYPES,
    *(kind for noun in RECORDS for kind in noun.events),
)


def covers(pattern: str) -> bool:
    """Whether a pattern (`request.closed`, `request.*`, `*`) means any type there is."""
    prefix = pattern.removesuffix("*")
    return any(kind.name.startswith(prefix) if "*" in pattern else kind.name == pattern for kind in CATALOGUE)

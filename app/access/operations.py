"""What an operation of the API needs: read off its path and method, with the exceptions named. Pure.

Fails closed: a path that nobody named here belongs to `Resource.OTHER`, which only the built-in role has.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from app.access.policy import Action, Resource

BASE = "/api/v1/"
READING = frozenset({"GET", "HEAD", "OPTIONS"})

# The first segment of the path.
RESOURCES = {
    "customers": Resource.CUSTOMER,
    "identifications": Resource.CUSTOMER,
    "requests": Resource.REQUEST,
    "card-transactions": Resource.CARD_TRANSACTION,
    "cards": Resource.CARD,
    "loyalty-accounts": Resource.LOYALTY,
    "stock": Resource.STOCK,
    "stock-reports": Resource.STOCK,
    "missing-data": Resource.DATA_FEED,
    "data-arrivals": Resource.DATA_FEED,
    "day-closes": Resource.DATA_FEED,
    "deals": Resource.DEAL,
    "tasks": Resource.DEAL,
    "contracts": Resource.CONTRACT,
    "catalogue": Resource.CONTRACT,
    "orders": Resource.ORDER,
    "claims": Resource.CLAIM,
    "claim-kinds": Resource.REFERENCE,
    **dict.fromkeys(("posts", "members", "conversations"), Resource.COMMUNITY),
    "chats": Resource.CHAT,
    "accounts": Resource.ACCOUNT,
    "calls": Resource.CALL,
    "notifications": Resource.NOTIFICATION,
    "imports": Resource.IMPORT,
    "reports": Resource.REPORT,
    "turnover": Resource.TURNOVER,
    **dict.fromkeys(("channels", "attachments"), Resource.REQUEST),
    **dict.fromkeys(("bookings", "availability", "slots"), Resource.BOOKING),
    "audit": Resource.AUDIT,
    "events": Resource.EVENT,
    "webhooks": Resource.SUBSCRIPTION,
    "external": Resource.REQUEST,
    **dict.fromkeys(
        (
            "regions",
            "calendars",
            "units",
            "people",
            "queues",
            "topics",
            "assignment-rules",
            "articles",
            "contact-map",
            "identification-scenarios",
            "accrual-rules",
            "promotions",
            "stations",
            "products",
            "data-feeds",
            "deal-stages",
            "catalogue-products",
        ),
        Resource.DIRECTORY,
    ),
}
# Whose entries are addressed by a code, not by an id.
DIRECTORIES = frozenset(
    first for first, resource in RESOURCES.items() if resource in {Resource.DIRECTORY, Resource.REFERENCE}
)
# Steps within a resource that are somebody else's: by the first and the last segment.
STEPS = {
    ("orders", "decision"): Resource.DECISION,
    ("claims", "decision"): Resource.DECISION,
    ("orders", "vehicle"): Resource.SHIPMENT,
}
# POST that changes nothing, and POST below a collection that only adds to it.
READ_BY_POST = frozenset({f"{BASE}customers/check", f"{BASE}cards/search", f"{BASE}cards/check"})
ADDING = frozenset({f"{BASE}card-transactions/batch"})
# What must be reachable to become somebody, or says nothing about anybody.
OPEN = frozenset(
    {f"{BASE}oauth/token", f"{BASE}oauth/keys", f"{BASE}openapi.json", f"{BASE}asyncapi.json", f"{BASE}docs"}
)


@dataclass(frozen=True, slots=True)
class Need:
    """`taken_on`: whose record the step is taken on, where `resource` is a step."""

    resource: Resource
    action: Action
    taken_on: Resource | None = None


def need(method: str, path: str) -> Need | None:
    """None: open to everyone (health, metrics, the description, sign-in)."""
    if path in OPEN or not path.startswith(BASE):
        return None
    first, *_, last = path.removeprefix(BASE).split("/") * 2
    resource = RESOURCES.get(first, Resource.OTHER)
    step = STEPS.get((first, last))
    action = _action(method, path)
    return Need(resource, action) if step is None else Need(step, action, taken_on=resource)


def need_of(scope: MutableMapping[str, Any]) -> Need | None:
    """The same of a request; worked out once for all who ask."""
    state = scope["state"]
    if "need" not in state:
        state["need"] = need(scope["method"], scope["path"])
    wanted: Need | None = state["need"]
    return wanted


def _action(method: str, path: str) -> Action:
    if method in READING or path in READ_BY_POST:
        return Action.READ
    adds = method == "POST" and (path in ADDING or "/" not in path.removeprefix(BASE))
    return Action.CREATE if adds else Action.CHANGE

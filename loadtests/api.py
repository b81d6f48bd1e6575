"""The CRM API's calls as the load makes them: the only place that knows paths, bodies and answers.

The contract is docs/crm-api.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from loadtests.data import Company, Purchase
from loadtests.ledger import Facts, of_batch
from loadtests.policy import Answer

BASE = "/api/v1"

Reader = Callable[[Answer], Facts]


def _nothing(_: Answer) -> Facts:
    return Facts()


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the API, and how to read its answer into the ledger."""

    method: str
    path: str
    body: bytes = b""
    stale: bool = False
    facts: Reader = field(default=_nothing)


def create_customer(marker: str, company: Company) -> Call:
    body = {
        "kind": "company",
        "stage": "customer",
        "name": company.name,
        "inn": company.inn,
        "kpp": company.kpp,
        "external_id": marker,
        "contacts": [{"kind": "phone", "value": company.phone, "person": company.person}],
    }
    return _post("/customers", body)


def get_customer(customer_id: str) -> Call:
    return _get(f"/customers/{customer_id}", facts=_card)


def get_window(customer_id: str) -> Call:
    """Everything of a customer in one call."""
    return _get(f"/customers/{customer_id}/window", facts=_window)


def get_points(customer_id: str) -> Call:
    return _get(f"/loyalty-accounts/{customer_id}")


def list_cards(customer_id: str) -> Call:
    return _get("/cards", {"customer_id": customer_id, "limit": "20"}, stale=True)


def search(text: str) -> Call:
    return _get("/customers/search", {"q": text, "limit": "10"}, stale=True)


def register_request(
    marker: str, customer_id: str | None, *, channel: str, subject: str, sender: str | None = None
) -> Call:
    """Of a known customer, or of a sender whom nobody has identified."""
    body = {
        "customer_id": customer_id,
        "channel": channel,
        "topic": "cards",
        "subject": subject,
        "text": subject,
        "external_id": marker,
        "sender": sender,
    }
    return _post("/requests", body)


def take_request(marker: str, request_id: str, operator: str) -> Call:
    return _post(f"/requests/{request_id}/take", {"operator": operator, "note": marker})


def close_request(marker: str, request_id: str, operator: str) -> Call:
    body = {"operator": operator, "resolution": "Карта разблокирована", "note": marker}
    return _post(f"/requests/{request_id}/close", body)


def get_request(request_id: str, *, stale: bool = False) -> Call:
    return _get(f"/requests/{request_id}", stale=stale, facts=_request)


def get_articles(request_id: str) -> Call:
    """What the knowledge base says to the request's topic."""
    return _get(f"/requests/{request_id}/articles")


def list_requests(customer_id: str, *, stale: bool) -> Call:
    return _get("/requests", {"customer_id": customer_id, "limit": "20"}, stale=stale, facts=_page)


def send_transaction(marker: str, purchase: Purchase) -> Call:
    return _post("/card-transactions", _transaction(marker, purchase), facts=_nothing)


def send_batch(marker: str, purchases: Sequence[Purchase]) -> Call:
    """Each transaction has an id of its own: the checker looks for each."""
    ids = of_batch(marker, len(purchases))
    batch = [_transaction(id_, bought) for id_, bought in zip(ids, purchases, strict=True)]
    return _post("/card-transactions/batch", {"transactions": batch}, facts=_nothing)


def first_found(answer: Answer) -> str | None:
    """Return the id of the best match of a search."""
    items = answer.body.get("items")
    match items:
        case [{"customer": {"id": str(found)}}, *_]:
            return found
    return None


def _transaction(processing_id: str, purchase: Purchase) -> dict[str, object]:
    return {
        "processing_id": processing_id,
        "card_token": purchase.card_token,
        "station": purchase.station,
        "product": purchase.product,
        "quantity": purchase.quantity,
        "amount": purchase.amount,
        "currency": "RUB",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def created_id(answer: Answer) -> str | None:
    """Return the id of what an answer shows."""
    found = answer.body.get("id")
    return found if isinstance(found, str) else None


def _get(
    path: str, query: dict[str, str] | None = None, *, stale: bool = False, facts: Reader = _nothing
) -> Call:
    tail = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return Call("GET", f"{BASE}{path}{tail}", stale=stale, facts=facts)


def _post(path: str, body: Mapping[str, object], *, facts: Reader | None = None) -> Call:
    # Made once an operation, so that every attempt sends the same bytes under the same key.
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Call("POST", f"{BASE}{path}", payload, facts=facts or _changed)


def _changed(answer: Answer) -> Facts:
    """Read the id and the state of what was changed."""
    return Facts(entity=created_id(answer), state=_text(answer.body.get("status")))


def _card(answer: Answer) -> Facts:
    return Facts(seen=_texts([answer.body.get("external_id")]))


def _window(answer: Answer) -> Facts:
    customer = answer.body.get("customer")
    return Facts(seen=_texts([customer.get("external_id")]) if isinstance(customer, dict) else ())


def _request(answer: Answer) -> Facts:
    history = answer.body.get("history")
    notes = (
        [event.get("note") for event in history if isinstance(event, dict)]
        if isinstance(history, list)
        else []
    )
    seen = _texts([answer.body.get("external_id"), *notes])
    return Facts(state=_text(answer.body.get("status")), seen=seen)


def _page(answer: Answer) -> Facts:
    items = answer.body.get("items")
    if not isinstance(items, list):
        return Facts()
    return Facts(seen=_texts([item.get("external_id") for item in items if isinstance(item, dict)]))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(values: list[object]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))

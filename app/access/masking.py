"""What of an answer a principal is shown masked. Pure.

Masking is the API's; that a row is out of reach is PostgreSQL's. A role that sees something masked may not
change it (a test holds the table to that), so no masked value can come back as a new one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.access.compiling import hidden_of_record
from app.access.policy import Hidden, Resource
from app.access.principal import Access
from app.calls.schemas import Call
from app.customers.schemas import Checked, Contact, Customer, Likely, LikelyCards, Match, Matches
from app.customers.window import Window
from app.identification.schemas import Representative, Representatives
from app.orders.schemas import Order, OrderStatus
from app.pagination import Page

KEPT = 4
SHOWN_IN_GIVEN = frozenset({"name"})
TERMS = ("contract_id", "currency", "discount", "full_amount", "amount")


def mask(text: str | None) -> str | None:
    """All but the last four characters, and none of a short one."""
    if text is None:
        return None
    kept = text[-KEPT:] if len(text) > 2 * KEPT else ""
    return "*" * (len(text) - len(kept)) + kept


def as_shown(value: Any, access: Access) -> Any:
    """The value as the principal is shown it."""
    if isinstance(value, Order):
        return _order(value, access) if access.masks_orders else value
    if isinstance(value, Page) and any(isinstance(item, Order) for item in value.items):
        return replace(value, items=[as_shown(item, access) for item in value.items])
    return masked(value, access.hidden)


def hidden_of_order(order: Order, access: Access) -> frozenset[Hidden]:
    partner = access.principal.partner
    carried = partner is not None and order.carrier == partner and order.status is not OrderStatus.DRAFT
    return hidden_of_record(access.rules, Resource.ORDER, within=order.within, carried=carried)


def _order(order: Order, access: Access) -> Order:
    """A carrier is shown neither terms nor sums; who only looks orders up, not who drives."""
    hidden = hidden_of_order(order, access)
    if Hidden.TERMS in hidden:
        order = order.model_copy(update=dict.fromkeys(TERMS))
    if Hidden.DRIVERS in hidden and order.vehicle is not None:
        driver, document = order.vehicle.driver, mask(order.vehicle.driver_document)
        update = {"driver": driver and "*" * len(driver), "driver_document": document}
        order = order.model_copy(update={"vehicle": order.vehicle.model_copy(update=update)})
    return order


def masked(value: Any, hidden: frozenset[Hidden]) -> Any:
    """The same shape, with what is hidden masked."""
    if not hidden:
        return value
    if isinstance(value, Customer):
        return _card(value, hidden)
    if isinstance(value, Call | Representative):
        return _voice(value) if Hidden.CONTACTS in hidden else value
    if isinstance(value, Match | Likely | Window):
        return replace(value, customer=_card(value.customer, hidden))
    if isinstance(value, Matches | Page | LikelyCards | Checked | Representatives):
        items: Any = [masked(item, hidden) for item in value.items]
        return replace(value, items=items)
    return value


def _card(card: Customer, hidden: frozenset[Hidden]) -> Customer:
    # What was typed may hold anything that is hidden elsewhere.
    card = replace(card, given={name: text for name, text in card.given.items() if name in SHOWN_IN_GIVEN})
    if Hidden.CONTACTS in hidden:
        card = replace(
            card, contacts=tuple(_contact(contact) for contact in card.contacts), address=mask(card.address)
        )
    if Hidden.REQUISITES in hidden:
        card = replace(
            card, inn=mask(card.inn), kpp=mask(card.kpp), ogrn=mask(card.ogrn), snils=mask(card.snils)
        )
    return card


def _voice(value: Call | Representative) -> Call | Representative:
    """Whoever was spoken to, or speaks for a customer."""
    if isinstance(value, Call):
        return replace(value, phone=mask(value.phone) or "", recording=None)
    return replace(value, name="*" * len(value.name), phone=mask(value.phone), document=mask(value.document))


def _contact(contact: Contact) -> Contact:
    return replace(
        contact, value=mask(contact.value) or "", person=contact.person and "*" * len(contact.person)
    )

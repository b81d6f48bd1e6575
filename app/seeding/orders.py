"""Invented orders: drafts, open and closed ones, all of them fit by the rules of the API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from app.catalogue.schemas import Packaging
from app.contracts.rules import in_force
from app.contracts.schemas import Contract
from app.orders import rules
from app.orders.schemas import (
    Allowed,
    Decision,
    DecisionForm,
    Delivery,
    DiscountForm,
    Item,
    Order,
    OrderForm,
    OrderStatus,
    Requisites,
    Vehicle,
    VehicleKind,
)
from app.orders.validation import Basis, faults
from app.seeding import names, phrases
from app.seeding.ground import refuse
from app.seeding.story import Story, fresh

S = OrderStatus
# How many of a hundred end how: those before a contract's last order, and the last one.
PAST = {S.COMPLETED: 86, S.CANCELLED: 8, S.REFUSED: 6}
LAST = {S.DRAFT: 35, S.SUBMITTED: 25, S.CONFIRMED: 20, S.SHIPPED: 20}
DECISIONS = {
    S.DRAFT: (),
    S.SUBMITTED: (),
    S.CANCELLED: (),
    S.REFUSED: (Decision.REFUSE,),
    S.CONFIRMED: (Decision.CONFIRM,),
    S.SHIPPED: (Decision.CONFIRM, Decision.SHIP),
    S.COMPLETED: (Decision.CONFIRM, Decision.SHIP, Decision.COMPLETE),
}
ARCHIVED, DISCOUNTED, COMMENTED = 0.6, 0.1, 0.3
CARRIERS = ("carrier-north", "carrier-volga", "carrier-east")
PLATE_LETTERS = "АВЕКМНОРСТУХ"
DAY = timedelta(days=1)
_LATER = ("discount", "full_amount", "amount", "currency", "repeats")


@dataclass(frozen=True, slots=True)
class Buying:
    """Who orders what under which contract, where to; `buyer` and `seller` stand in the histories."""

    contract: Contract
    allowed: Mapping[str, Allowed]
    consignee: str
    inn: str | None
    buyer: str
    seller: str
    language: str


def order(
    random: Random, buying: Buying, number: str, key: Sequence[object], *, at: datetime, end: OrderStatus
) -> Story[Order]:
    """An order that came to this end; drafts lack the day, as who repeats an order has to say it anew."""
    form = _form(random, buying, at, draft=end is S.DRAFT)
    content = {name: getattr(form, name) for name in OrderForm.model_fields if name != "customer_id"}
    record = Order(
        **fresh(at, buying.contract.customer_id, *key),
        number=number,
        status=S.DRAFT,
        archived=False,
        **{**dict.fromkeys(_LATER), **content},
    )
    story = Story.begun(record, "drafted", buying.buyer)
    return story if end is S.DRAFT else _onward(random, buying, _submitted(random, buying, story), end)


def _submitted(random: Random, buying: Buying, story: Story[Order]) -> Story[Order]:
    """As `orders.service.submit` does it, on its own day."""
    at = story.record.created_at + timedelta(minutes=random.randrange(2, 60))
    if random.random() < DISCOUNTED:
        asked = rules.with_request(
            story.record, DiscountForm(percent=Decimal(random.randrange(1, 11)), reason=phrases.DISCOUNT)
        )
        story = story.then(asked, "discount_requested", at, buying.buyer, phrases.DISCOUNT)
    contract = buying.contract
    basis = Basis(in_force(contract, at.date()), contract.currency, buying.allowed)
    refuse(faults(story.record, basis, at.date()))
    submitted = rules.stepped(story.record, "submitted").model_copy(update={"currency": basis.currency})
    priced = rules.priced(submitted, rules.total(submitted, basis.products))
    story = story.then(priced, "submitted", at, buying.buyer)
    if priced.discount is None:
        return story
    decision = random.choice((Decision.GRANT_DISCOUNT, Decision.REFUSE_DISCOUNT))
    return _decided(story, decision, at + timedelta(hours=1), buying.seller)


def _onward(random: Random, buying: Buying, story: Story[Order], end: OrderStatus) -> Story[Order]:
    at = story.record.changed_at
    if end is S.CANCELLED:
        at += timedelta(hours=2)
        story = story.then(rules.stepped(story.record, "cancelled"), "cancelled", at, buying.buyer)
    for decision in DECISIONS[end]:
        at += timedelta(hours=random.randrange(3, 48))
        story = _decided(story, decision, at, buying.seller)
    if end in PAST and random.random() < ARCHIVED:
        put_away = rules.put_away(story.record, archived=True)
        story = story.then(put_away, "archived", at + DAY, buying.buyer)
    return story


def _decided(story: Story[Order], decision: Decision, at: datetime, actor: str) -> Story[Order]:
    decided = rules.decided(story.record, DecisionForm(decision=decision))
    return story.then(decided, rules.DECIDED[decision], at, actor)


def _form(random: Random, buying: Buying, at: datetime, *, draft: bool) -> OrderForm:
    packaging = random.choice(sorted({each.packaging for each in buying.allowed.values()}))
    pickup = random.random() < 0.5  # noqa: PLR2004
    wanted = None if draft else (at + random.randrange(3, 15) * DAY).date()
    return OrderForm(
        customer_id=buying.contract.customer_id,
        contract_id=buying.contract.id,
        requisites=_requisites(random, buying, pickup=pickup, wanted=wanted),
        items=_items(random, buying.allowed, packaging),
        vehicle=_vehicle(random, packaging) if pickup else None,
        carrier=None if pickup else random.choice(CARRIERS),
        comment=random.choice(phrases.COMMENTS[buying.language]) if random.random() < COMMENTED else None,
    )


def _requisites(random: Random, buying: Buying, *, pickup: bool, wanted: Any) -> Requisites:
    return Requisites(
        consignee=buying.consignee[:300],
        consignee_inn=buying.inn,
        delivery=Delivery.PICKUP if pickup else Delivery.DELIVERY,
        address=None if pickup else f"ул. Промышленная, {random.randrange(1, 200)}",
        wanted_on=wanted,
    )


def _items(random: Random, allowed: Mapping[str, Allowed], packaging: Packaging) -> tuple[Item, ...]:
    """Goods of one packaging: one vehicle cannot fetch both."""
    codes = [code for code, each in allowed.items() if each.packaging is packaging]
    chosen = random.sample(codes, min(len(codes), random.randrange(1, 5)))
    return tuple(Item(product=code, quantity=_quantity(random, packaging)) for code in chosen)


def _quantity(random: Random, packaging: Packaging) -> Decimal:
    """Pieces, or tonnes of a tanker."""
    if packaging is Packaging.PACKED:
        return Decimal(random.randrange(1, 41))
    return Decimal(random.randrange(1_000, 24_000)) / 1000


def _vehicle(random: Random, packaging: Packaging) -> Vehicle:
    first, *others = random.choices(PLATE_LETTERS, k=3)
    bulk = packaging is Packaging.BULK
    return Vehicle(
        kind=VehicleKind.TANKER if bulk else VehicleKind.TRUCK,
        plate=f"{first}{random.randrange(1, 1000):03}{''.join(others)}{random.choice(names.REGION_CODES)}",
        driver=names.person(random),
        driver_document=f"{random.randrange(1000, 10_000)} {random.randrange(10**6):06}",
    )

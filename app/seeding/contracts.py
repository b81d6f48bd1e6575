"""Invented contracts, what they allow, and the deals that led to them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from app.catalogue.schemas import Packaging
from app.contracts import rules
from app.contracts.schemas import (
    AllowedProduct,
    Contract,
    ContractForm,
    ContractStatus,
    ProductsForm,
    Prolongation,
)
from app.deals.schemas import Deal, DealForm, Outcome, Payment
from app.seeding import phrases
from app.seeding.goods import CENT, Good
from app.seeding.ground import Buyer
from app.seeding.story import Story, fresh

DEFERRED, WITHOUT_END = 0.4, 0.5
ENDED_EACH = 12  # each so-many-th contract was ended
DEFERRALS = (14, 30, 45, 60)
UNTIL = date(2026, 12, 31)
PROLONGATION = Prolongation(automatic=True, months=12, notice_days=30)
NEGOTIATED = timedelta(days=9)  # between two stages
_MOST = {Packaging.PACKED: Decimal(200), Packaging.BULK: Decimal(30)}  # of one order: pieces, tonnes


@dataclass(frozen=True, slots=True)
class Agreed:
    contract: Story[Contract]
    products: tuple[AllowedProduct, ...]


@dataclass(frozen=True, slots=True)
class Selling:
    """Who sells to whom; `number` is the contract's among those of the seed."""

    seed: int
    number: int
    buyer: Buyer
    owner: str
    unit: str


def deal(random: Random, selling: Selling, name: str, begun: datetime, *, lost: bool = False) -> Deal:
    """With everything that a stage may ask for; `name` tells it from others of the same contract."""
    seed, number, buyer = selling.seed, selling.number, selling.buyer
    deferred = random.random() < DEFERRED
    signed = (begun + 3 * NEGOTIATED).date()
    form = DealForm(
        customer_id=buyer.id,
        title=f"Поставка масел, {buyer.name}"[:300],
        owner=selling.owner,
        contact="Отдел снабжения",
        product="Масла и технические жидкости",
        planned_volume=Decimal(random.randrange(1, 200) * 100),
        payment=Payment.DEFERRED if deferred else Payment.PREPAID,
        deferral_days=random.choice(DEFERRALS) if deferred else 0,
        credit_limit=Decimal(random.randrange(1, 50) * 100_000) if deferred else None,
        starts=signed,
        ends=rules.months_on(signed, 60 if random.random() < WITHOUT_END else 12),
        unit=selling.unit,
        contract_number=contract_number(seed, number, signed),
        comment=phrases.LOST if lost else None,
    )
    made = {**fresh(begun, buyer.id, seed, name, number), "number": f"{name}-{seed}-{number:07}"}
    return Deal(**made, outcome=Outcome.OPEN, **form.model_dump(exclude={"customer_id"}))


def contract_number(seed: int, number: int, signed: date) -> str:
    return f"М-{seed}-{number:06}/{signed.year}"


def conclude(random: Random, selling: Selling, won: Story[Deal], goods: Sequence[Good]) -> Agreed:
    """The contract of a deal that was won, on its day."""
    deal, signed = won.record, won.record.changed_at
    form = ContractForm(**_conditions(deal))
    agreed = {name: getattr(form, name) for name in ContractForm.model_fields if name != "customer_id"}
    made = fresh(signed, deal.customer_id, selling.seed, "contract", selling.number)
    contract = Contract(**made, status=ContractStatus.ACTIVE, **agreed)
    story = Story.begun(contract, "concluded", deal.owner)
    story = story.then(contract, "allowed", signed + timedelta(hours=1), deal.owner, phrases.AGREEMENT)
    return Agreed(story, _products(random, goods))


def ends(selling: Selling) -> bool:
    """Whether the contract is one of those that were ended, after all that was ordered under it."""
    return selling.number % ENDED_EACH == ENDED_EACH - 1


def ended(agreed: Agreed, at: datetime, by: str) -> Agreed:
    story = agreed.contract
    over = story.then(rules.terminated(story.record), "terminated", at, by, phrases.ENDED)
    return replace(agreed, contract=over)


def _conditions(deal: Deal) -> dict[str, Any]:
    """As the deal says; what lasts longer than a year has no end."""
    assert deal.starts is not None
    assert deal.ends is not None
    endless = deal.ends > rules.months_on(deal.starts, 12)
    return {
        "customer_id": deal.customer_id,
        "number": deal.contract_number,
        "deal_id": deal.id,
        "unit": deal.unit,
        "signed_on": deal.changed_at.date(),
        "valid_from": deal.starts,
        "valid_until": None if endless else UNTIL,
        "prolongation": None if endless else PROLONGATION,
        "payment": deal.payment,
        "deferral_days": deal.deferral_days,
        "credit_limit": deal.credit_limit,
    }


def _products(random: Random, goods: Sequence[Good]) -> tuple[AllowedProduct, ...]:
    """A part of what is sold, at prices of the contract's own; some of it without a limit."""
    factor = Decimal(random.randrange(90, 111)) / 100
    chosen = sorted(random.sample(range(len(goods)), random.randrange(12, 25)))
    listed = tuple(
        AllowedProduct(
            product=goods[place].form.code,
            price=(goods[place].price * factor).quantize(CENT),
            max_quantity=_MOST[goods[place].form.packaging] if random.random() < 0.5 else None,  # noqa: PLR2004
        )
        for place in chosen
    )
    return ProductsForm(products=listed).products

"""Invented sales: contract by contract the deal before it, orders and claims after it, and the chat. Pure.

Contract n is the same however many there are, so a larger base contains the smaller one. How many there are
of everything else follows from the contracts (docs/crm-sales.md); the seed documents name no such figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from app.chats.schemas import ChatMessage
from app.deals.schemas import Task
from app.orders.schemas import Allowed, Order, OrderStatus
from app.seeding import claims, contracts, deals, orders, phrases, staff
from app.seeding.claims import Complaining, Complaint
from app.seeding.contracts import NEGOTIATED, Agreed, Selling, deal
from app.seeding.customers import region_of
from app.seeding.deals import Negotiation
from app.seeding.estate import FIRST_DAY, PERIOD
from app.seeding.goods import Good
from app.seeding.ground import Buyer, Ground
from app.seeding.orders import Buying
from app.seeding.portal import client
from app.seeding.story import Story, id_at

ORDERS = 6  # of a contract
FUNNEL_EACH, CLAIM_EACH, CHAT_EACH = 2, 10, 3  # each so-many-th contract has one
BEGIN = datetime(2025, 1, 1, 9, tzinfo=UTC)
YEAR = 300  # days in which negotiations begin, so that each contract is signed within 2025
END = FIRST_DAY + PERIOD  # when the transactions of the same seed end, too
_STRIDE = 7919  # prime: days are gone through without following the contracts' order


@dataclass(frozen=True, slots=True)
class Account:
    """All that was agreed with one customer under one contract."""

    deals: tuple[Negotiation, ...]
    agreed: Agreed
    orders: tuple[Story[Order], ...]
    claims: tuple[Complaint, ...]
    chat: tuple[ChatMessage, ...]

    @property
    def tasks(self) -> Iterable[Story[Task]]:
        return (task for each in self.deals for task in each.tasks)


def accounts(
    seed: int, ground: Ground, goods: Sequence[Good], buyers: Iterable[tuple[int, Buyer]]
) -> Iterator[Account]:
    """Of contracts by number, each with its buyer. Raises ProblemError where the base's rules differ."""
    for number, buyer in buyers:
        office = staff.office_of(region_of(buyer.number))
        owner = staff.manager(office, number % ground.managers)
        random = Random(f"{seed}:sales:{number}")  # noqa: S311  # reproducible is the point
        yield _account(random, ground, goods, Selling(seed, number, buyer, owner, office.code))


def _account(random: Random, ground: Ground, goods: Sequence[Good], selling: Selling) -> Account:
    begun = BEGIN + timedelta(days=selling.number * _STRIDE % YEAR, minutes=selling.number % 480)
    facts = selling.buyer.facts
    won = deals.negotiate(
        random, ground, facts, deal(random, selling, "D", begun), path=deals.WON, days=NEGOTIATED
    )
    agreed = contracts.conclude(random, selling, won.deal, goods)
    buying = _buying(random, selling, agreed, goods)
    ordered = tuple(_orders(random, selling, buying))
    return Account(
        (won, *_funnel(random, ground, selling)),
        contracts.ended(agreed, END, selling.owner) if contracts.ends(selling) else agreed,
        ordered,
        tuple(_claims(random, ground, selling, buying, ordered)),
        tuple(_chat(selling, buying)),
    )


def _funnel(random: Random, ground: Ground, selling: Selling) -> Iterator[Negotiation]:
    """A second deal with the customer that is not decided, or was lost."""
    if selling.number % FUNNEL_EACH:
        return
    stage, lost = random.randrange(1, len(deals.WON)), random.random() < 0.4  # noqa: PLR2004
    path = (*deals.WON[:stage], *((deals.LOST,) if lost else ()))
    begun = END - timedelta(days=60) + timedelta(hours=random.randrange(24 * 14))
    second = deal(random, selling, "F", begun, lost=lost)
    yield deals.negotiate(random, ground, selling.buyer.facts, second, path=path, days=NEGOTIATED)


def _buying(random: Random, selling: Selling, agreed: Agreed, goods: Sequence[Good]) -> Buying:
    forms = {good.form.code: good.form for good in goods}
    allowed: Mapping[str, Allowed] = {
        each.product: Allowed(
            price=each.price, max_quantity=each.max_quantity, packaging=forms[each.product].packaging
        )
        for each in agreed.products
    }
    buyer = selling.buyer
    language = phrases.language(random)
    return Buying(
        agreed.contract.record, allowed, buyer.name, buyer.facts.inn, client(buyer.number),
        selling.owner, language,
    )  # fmt: skip


def _orders(random: Random, selling: Selling, buying: Buying) -> Iterator[Story[Order]]:
    """Evenly from the contract's beginning; the last one is under way, unless the contract was ended."""
    first = buying.contract.created_at + timedelta(days=1)
    step = (END - timedelta(days=16) - first) / ORDERS
    for place in range(ORDERS):
        ends = orders.LAST if place == ORDERS - 1 and not contracts.ends(selling) else orders.PAST
        end: OrderStatus = random.choices(tuple(ends), tuple(ends.values()))[0]
        number = selling.number * ORDERS + place
        key = (selling.seed, "order", number)
        named = f"Z-{selling.seed}-{number:08}"
        yield orders.order(random, buying, named, key, at=first + step * (place + 1), end=end)


def _claims(
    random: Random, ground: Ground, selling: Selling, buying: Buying, ordered: Sequence[Story[Order]]
) -> Iterator[Complaint]:
    """On the first order that was completed, of each kind of claim in turn."""
    completed = (each.record for each in ordered if each.record.status is OrderStatus.COMPLETED)
    order = next(completed, None)
    if selling.number % CLAIM_EACH or order is None:
        return
    number = selling.number // CLAIM_EACH
    kind = ground.kinds[number % len(ground.kinds)]
    key = (selling.seed, "claim", number)
    about = Complaining(
        order, f"C-{selling.seed}-{number:07}", key, buying.buyer, selling.unit, buying.language
    )
    yield claims.complain(random, ground, about, kind, order.changed_at + timedelta(hours=5))


def _chat(selling: Selling, buying: Buying) -> Iterator[ChatMessage]:
    """A question of the customer and the manager's answer."""
    if selling.number % CHAT_EACH:
        return
    asked = END - timedelta(days=2, minutes=selling.number % 1440)
    for place, text in enumerate(phrases.CHATS[buying.language]):
        at = asked + timedelta(minutes=7 * place)
        author = selling.owner if place else buying.buyer
        id_ = id_at(at, selling.seed, "chat", selling.number, place)
        yield ChatMessage(id_, selling.buyer.id, author, place == 0, text, at)

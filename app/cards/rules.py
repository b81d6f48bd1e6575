"""What may happen to a card, and what may be bought with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from app.cards.schemas import Card, CardStatus, CheckForm, Limits, Refusal, Usage
from app.errors import Problem, ProblemError

# The processing system's day: limits begin anew at midnight in Moscow, wherever the card is used.
PROCESSING_ZONE = ZoneInfo("Europe/Moscow")
_REFUSED_BY_STATUS = {
    CardStatus.BLOCKED: Refusal.CARD_BLOCKED,
    CardStatus.REPLACED: Refusal.CARD_REPLACED,
}


def with_status(card: Card, status: CardStatus, at: datetime) -> Card:
    """The card itself where it has that status already: blocking twice is blocking once.

    Raises ProblemError (wrong-state) for a card that was replaced; so do the others.
    """
    _refuse_replaced(card)
    if card.status is status:
        return card
    return replace(card, status=status, version=card.version + 1, changed_at=at)


def with_limits(card: Card, limits: Limits, at: datetime) -> Card:
    _refuse_replaced(card)
    return replace(card, limits=limits, version=card.version + 1, changed_at=at)


def ended(card: Card, at: datetime) -> Card:
    """Another card takes its place."""
    return with_status(card, CardStatus.REPLACED, at)


def _refuse_replaced(card: Card) -> None:
    if card.status is CardStatus.REPLACED:
        raise ProblemError(Problem.WRONG_STATE, "the card was replaced by another", state=card.status)


def midnight(day: date) -> datetime:
    """When a day of the processing system begins."""
    return datetime.combine(day, time(), PROCESSING_ZONE)


def day_and_month(moment: datetime) -> tuple[datetime, datetime]:
    """When the day and the month of a purchase began."""
    day = moment.astimezone(PROCESSING_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return day, day.replace(day=1)


def refusal(card: Card, used: Usage, purchase: CheckForm) -> Refusal | None:
    """The first reason that stands against a purchase, or None."""
    return next(_reasons(card, used, purchase), None)


def _reasons(card: Card, used: Usage, purchase: CheckForm) -> Iterator[Refusal]:
    limits = card.limits
    if card.status in _REFUSED_BY_STATUS:
        yield _REFUSED_BY_STATUS[card.status]
    if limits.products and purchase.product not in limits.products:
        yield Refusal.PRODUCT
    if limits.stations and purchase.station not in limits.stations:
        yield Refusal.STATION
    for limit, spent, asked, reason in (
        (limits.daily_quantity, used.daily_quantity, purchase.quantity, Refusal.DAILY_QUANTITY),
        (limits.monthly_quantity, used.monthly_quantity, purchase.quantity, Refusal.MONTHLY_QUANTITY),
        (limits.daily_amount, used.daily_amount, purchase.amount, Refusal.DAILY_AMOUNT),
        (limits.monthly_amount, used.monthly_amount, purchase.amount, Refusal.MONTHLY_AMOUNT),
    ):
        if limit is not None and spent + asked > limit:
            yield reason

"""What may happen to a card and what may be bought with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from app.cards.rules import day_and_month, ended, refusal, with_limits, with_status
from app.cards.schemas import Card, CardStatus, CheckForm, Limits, Refusal, Usage
from app.errors import ProblemError

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
CARD = Card(
    UUID(int=1), "tok_1234", "411111", "1111", UUID(int=2), None, CardStatus.ACTIVE, None, Limits(), 1, AT, AT
)
NOTHING = Usage(*(Decimal(0),) * 4)
LITRES_40 = CheckForm(
    token="tok_1234", station="АЗС-0012", product="AI-95", quantity=Decimal(40), amount=Decimal(2400)
)


def test_blocking_twice_is_blocking_once():
    blocked = with_status(CARD, CardStatus.BLOCKED, AT)
    assert (blocked.status, blocked.version) == (CardStatus.BLOCKED, 2)
    assert with_status(blocked, CardStatus.BLOCKED, AT) is blocked
    assert with_status(blocked, CardStatus.ACTIVE, AT).version == 3


def test_a_replaced_card_stays_as_it_is():
    gone = ended(CARD, AT)
    for change in (
        lambda: with_status(gone, CardStatus.ACTIVE, AT),
        lambda: with_limits(gone, Limits(), AT),
        lambda: ended(gone, AT),
    ):
        with pytest.raises(ProblemError) as caught:
            change()
        assert caught.value.members == {"state": "replaced"}


@pytest.mark.parametrize(
    ("status", "limits", "used", "expected"),
    [
        (CardStatus.ACTIVE, {}, {}, None),
        (CardStatus.BLOCKED, {}, {}, Refusal.CARD_BLOCKED),
        (CardStatus.REPLACED, {}, {}, Refusal.CARD_REPLACED),
        (CardStatus.ACTIVE, {"products": ("DT",)}, {}, Refusal.PRODUCT),
        (CardStatus.ACTIVE, {"products": ("DT", "AI-95")}, {}, None),
        (CardStatus.ACTIVE, {"stations": ("АЗС-0001",)}, {}, Refusal.STATION),
        (CardStatus.ACTIVE, {"daily_quantity": 40}, {}, None),
        (CardStatus.ACTIVE, {"daily_quantity": 40}, {"daily_quantity": "0.001"}, Refusal.DAILY_QUANTITY),
        (CardStatus.ACTIVE, {"monthly_quantity": 100}, {"monthly_quantity": 61}, Refusal.MONTHLY_QUANTITY),
        (CardStatus.ACTIVE, {"daily_amount": 2400}, {"daily_amount": "0.01"}, Refusal.DAILY_AMOUNT),
        (CardStatus.ACTIVE, {"monthly_amount": 5000}, {"monthly_amount": 2601}, Refusal.MONTHLY_AMOUNT),
        (CardStatus.ACTIVE, {"monthly_amount": 5000}, {"monthly_amount": -100}, None),
    ],
)
def test_a_purchase_is_allowed_up_to_the_limit(status, limits, used, expected):
    card = replace(CARD, status=status, limits=Limits.model_validate(limits))
    usage = replace(NOTHING, **{name: Decimal(value) for name, value in used.items()})
    assert refusal(card, usage, LITRES_40) is expected


def test_the_day_begins_in_moscow():
    """At 21:00 UTC the next day has begun there, and on the last of a month the next month."""
    day, month = day_and_month(datetime(2026, 1, 31, 21, 30, tzinfo=UTC))
    assert (day.astimezone(UTC), month) == (datetime(2026, 1, 31, 21, tzinfo=UTC), day)
    day, month = day_and_month(datetime(2026, 1, 31, 20, 59, tzinfo=UTC))
    assert day.astimezone(UTC) == datetime(2026, 1, 30, 21, tzinfo=UTC)
    assert month.astimezone(UTC) == datetime(2025, 12, 31, 21, tzinfo=UTC)

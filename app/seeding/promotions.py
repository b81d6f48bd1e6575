"""Invented promotions: one begins each month, and holds for three. Pure.

The first n are the same however many there are. None is for a region or a type of customer: seeded customers
have no profiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.customers.schemas import CustomerKind, Stage
from app.directory.model import Localized
from app.promotions.schemas import PromotionForm
from app.seeding.estate import FIRST_DAY

MONTHS = 12
LASTS = 3  # months


def _said(ru: str, en: str, kk: str) -> Localized:
    return Localized(ru=ru, en=en, kk=kk)


# What is offered, in which words, to which kinds of customers at which stages; in turn.
OFFERS: tuple[tuple[Localized, Localized, tuple[CustomerKind, ...], tuple[Stage, ...]], ...] = (
    (
        _said("Кофе в подарок", "Coffee for free", "Кофе сыйлыққа"),
        _said(
            "При заправке от 30 литров — кофе бесплатно.",
            "Coffee is free with 30 litres or more.",
            "30 литрден бастап құйсаңыз — кофе тегін.",
        ),
        (),
        (),
    ),
    (
        _said("Первый месяц обслуживания бесплатно", "First month free", "Алғашқы ай тегін"),
        _said(
            "Новым компаниям — топливные карты без платы за обслуживание в первый месяц.",
            "New companies pay nothing for their fuel cards in the first month.",
            "Жаңа компанияларға отын карталарына алғашқы айда қызмет көрсету ақысыз.",
        ),
        (CustomerKind.COMPANY,),
        (Stage.LEAD,),
    ),
    (
        _said("Мойка со скидкой", "Car wash at a discount", "Көлік жууға жеңілдік"),
        _said(
            "Владельцам карт лояльности — скидка 20 % на мойку.",
            "20% off the car wash for holders of loyalty cards.",
            "Адалдық картасының иелеріне көлік жууға 20 % жеңілдік.",
        ),
        (CustomerKind.PERSON,),
        (Stage.CUSTOMER,),
    ),
    (
        _said("Масло со скидкой", "Engine oil at a discount", "Майға жеңілдік"),
        _said(
            "Действующим клиентам — скидка 10 % на моторное масло.",
            "10% off engine oil for present customers.",
            "Қазіргі клиенттерге мотор майына 10 % жеңілдік.",
        ),
        (CustomerKind.COMPANY,),
        (Stage.CUSTOMER,),
    ),
)


def promotions(count: int) -> Iterator[PromotionForm]:
    for number in range(count):
        title, text, kinds, stages = OFFERS[number % len(OFFERS)]
        yield PromotionForm(
            code=f"promotion-{number + 1:04}",
            title=title,
            text=text,
            starts=_month(number),
            ends=_month(number + LASTS),
            kinds=kinds,
            stages=stages,
        )


def _month(number: int) -> datetime:
    """Its beginning, `number` months after the seed's first."""
    return FIRST_DAY.replace(year=FIRST_DAY.year + number // MONTHS, month=number % MONTHS + 1)

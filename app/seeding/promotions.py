"""Invented promotions: one begins each month, and holds for three. Pure.

The first n are the same however many there are. Regions and types of customers are those of seeded profiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.customers.schemas import CustomerKind, Stage
from app.directory.model import Localized
from app.promotions.schemas import PromotionForm
from app.routing.schemas import CustomerType
from app.seeding.estate import FIRST_DAY
from app.seeding.staff import OFFICES

MONTHS = 12
LASTS = 3  # months


def _said(ru: str, en: str, kk: str) -> Localized:
    return Localized(ru=ru, en=en, kk=kk)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered, in which words, and to whom; an empty tuple asks nothing."""

    title: Localized
    text: Localized
    kinds: tuple[CustomerKind, ...] = ()
    stages: tuple[Stage, ...] = ()
    customer_types: tuple[CustomerType, ...] = ()
    regions: tuple[str, ...] = ()


def _regions_of(*offices: str) -> tuple[str, ...]:
    return tuple(region for office in OFFICES if office.code in offices for region in office.regions)


# In turn.
OFFERS = (
    Offer(
        _said("Кофе в подарок", "Coffee for free", "Кофе сыйлыққа"),
        _said(
            "При заправке от 30 литров — кофе бесплатно.",
            "Coffee is free with 30 litres or more.",
            "30 литрден бастап құйсаңыз — кофе тегін.",
        ),
    ),
    Offer(
        _said("Первый месяц обслуживания бесплатно", "First month free", "Алғашқы ай тегін"),
        _said(
            "Новым компаниям — топливные карты без платы за обслуживание в первый месяц.",
            "New companies pay nothing for their fuel cards in the first month.",
            "Жаңа компанияларға отын карталарына алғашқы айда қызмет көрсету ақысыз.",
        ),
        kinds=(CustomerKind.COMPANY,),
        stages=(Stage.LEAD,),
    ),
    Offer(
        _said("Мойка со скидкой", "Car wash at a discount", "Көлік жууға жеңілдік"),
        _said(
            "Владельцам карт лояльности — скидка 20 % на мойку.",
            "20% off the car wash for holders of loyalty cards.",
            "Адалдық картасының иелеріне көлік жууға 20 % жеңілдік.",
        ),
        kinds=(CustomerKind.PERSON,),
        stages=(Stage.CUSTOMER,),
    ),
    Offer(
        _said("Масло со скидкой", "Engine oil at a discount", "Майға жеңілдік"),
        _said(
            "Действующим клиентам — скидка 10 % на моторное масло.",
            "10% off engine oil for present customers.",
            "Қазіргі клиенттерге мотор майына 10 % жеңілдік.",
        ),
        kinds=(CustomerKind.COMPANY,),
        stages=(Stage.CUSTOMER,),
    ),
    Offer(
        _said(
            "Зимнее топливо по летней цене",
            "Winter diesel at the summer price",
            "Қысқы дизель отыны жазғы бағамен",
        ),
        _said(
            "Компаниям Урала, Сибири и Дальнего Востока — зимнее дизельное топливо по летней цене.",
            "Winter diesel at the summer price for companies of the Urals, Siberia and the Far East.",
            "Орал, Сібір және Қиыр Шығыс компанияларына — қысқы дизель отыны жазғы бағамен.",
        ),
        kinds=(CustomerKind.COMPANY,),
        regions=_regions_of("office-ural", "office-siberia", "office-far-east"),
    ),
    Offer(
        _said(
            "Отсрочка бюджетным организациям",
            "Deferred payment for public bodies",
            "Бюджеттік ұйымдарға төлемді кейінге қалдыру",
        ),
        _said(
            "Бюджетные организации платят на 30 дней позже.",
            "Public bodies pay 30 days later.",
            "Бюджеттік ұйымдар 30 күн кейін төлейді.",
        ),
        kinds=(CustomerKind.COMPANY,),
        customer_types=(CustomerType.BUDGET,),
    ),
)


def promotions(count: int) -> Iterator[PromotionForm]:
    for number in range(count):
        offer = OFFERS[number % len(OFFERS)]
        yield PromotionForm(
            code=f"promotion-{number + 1:04}",
            title=offer.title,
            text=offer.text,
            starts=_month(number),
            ends=_month(number + LASTS),
            kinds=offer.kinds,
            stages=offer.stages,
            customer_types=offer.customer_types,
            regions=offer.regions,
        )


def _month(number: int) -> datetime:
    """Its beginning, `number` months after the seed's first."""
    return FIRST_DAY.replace(year=FIRST_DAY.year + number // MONTHS, month=number % MONTHS + 1)

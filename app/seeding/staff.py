"""Sales offices and who works there. Pure. A larger staff contains the smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from app.directory.model import Localized
from app.seeding import names
from app.staff.schemas import PersonForm, UnitForm

CONTRACTS_A_MANAGER = 50  # an assumption: the seed documents name none
MOST_MANAGERS = 60


@dataclass(frozen=True, slots=True)
class Office:
    """Of the federal districts in which the regions lie."""

    code: str
    title: Localized
    regions: tuple[str, ...]


def _office(code: str, ru: str, en: str, kk: str, regions: str) -> Office:
    return Office(f"office-{code}", Localized(ru=ru, en=en, kk=kk), tuple(regions.split()))


OFFICES = (
    _office("centre", "Центральный офис продаж", "Central sales office", "Орталық сату кеңсесі",
            "31 32 33 36 37 40 44 46 48 50 57 62 77"),
    _office("north-west", "Северо-Западный офис продаж", "North-Western sales office",
            "Солтүстік-Батыс сату кеңсесі", "10 11 29 35 39 47 51 53 60 78"),
    _office("volga", "Приволжский офис продаж", "Volga sales office", "Еділ бойы сату кеңсесі",
            "02 12 13 16 18 21 43 52 56 58 59"),
    _office("south", "Южный офис продаж", "Southern sales office", "Оңтүстік сату кеңсесі",
            "01 05 06 07 08 09 15 20 23 26 30 34 61"),
    _office("ural", "Уральский офис продаж", "Ural sales office", "Орал сату кеңсесі", "45 74"),
    _office("siberia", "Сибирский офис продаж", "Siberian sales office", "Сібір сату кеңсесі",
            "04 17 19 22 24 38 42 54 55"),
    _office("far-east", "Дальневосточный офис продаж", "Far Eastern sales office",
            "Қиыр Шығыс сату кеңсесі", "03 14 25 27 28 41 49"),
)  # fmt: skip
_OF_REGION = {region: office for office in OFFICES for region in office.regions}


def office_of(region: str) -> Office:
    return _OF_REGION[region]


def managers_for(contracts: int) -> int:
    """How many an office has."""
    return min(MOST_MANAGERS, max(2, contracts // (CONTRACTS_A_MANAGER * len(OFFICES))))


def manager(office: Office, place: int) -> str:
    """The code of the n-th one; the first is the head."""
    return f"{office.code}.{place + 1:02}"


def units() -> Iterator[UnitForm]:
    for office in OFFICES:
        yield UnitForm(code=office.code, title=office.title, head=manager(office, 0))


def people(seed: int, managers: int) -> Iterator[PersonForm]:
    """Each on the first line; the head on the second besides."""
    for office in OFFICES:
        random = Random(f"{seed}:{office.code}")  # noqa: S311  # reproducible is the point
        for place in range(managers):
            lines = (1, 2) if place == 0 else (1,)
            code, name = manager(office, place), names.person(random)
            yield PersonForm(code=code, name=name, unit=office.code, lines=lines)

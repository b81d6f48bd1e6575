"""Made-up but valid customers and purchases, drawn from a seeded generator."""

from __future__ import annotations

import random
from dataclasses import dataclass

from loadtests.volumes import STATIONS

# Weights of the control digit of a company's ten-digit INN (order of the Federal Tax Service).
INN_WEIGHTS = (2, 4, 10, 3, 5, 9, 4, 6, 8)
REGIONS = tuple(f"{number:02d}" for number in range(1, 66))  # 65 regions (seed 000)

# Whatever follows these is a number in use (libphonenumber's metadata). Of 930 only parts are: one customer
# in four thousand was refused, and a drill failed by it.
_MOBILE = "012456789"
_FORMS = ("ООО", "АО", "ИП", "ПАО")
_WORDS = ("Ромашка", "Вектор", "Север", "Магистраль", "Альянс", "Транзит", "Восток", "Меридиан", "Прогресс")
_PEOPLE = ("Иванов Иван", "Петрова Анна", "Сидоров Пётр", "Ахметов Данияр", "Ким Елена")
# Channels of what is written instead of called (app/requests/channels.py).
WRITTEN = ("site", "messenger", "chat", "complaints_book", "map_review")
_PRODUCTS = ("AI-92", "AI-95", "AI-98", "DT", "LPG")
SUBJECTS = (
    "Карта не работает",
    "Изменить лимит",
    "Не пришли баллы",
    "Вопрос по договору",
    "Заблокировать карту",
)


@dataclass(frozen=True, slots=True)
class Company:
    name: str
    inn: str
    kpp: str
    phone: str
    person: str

    @property
    def phone_as_spoken(self) -> str:
        """Return the phone as people write it down."""
        return f"8 ({self.phone[2:5]}) {self.phone[5:8]}-{self.phone[8:10]}-{self.phone[10:]}"


@dataclass(frozen=True, slots=True)
class Purchase:
    """A card transaction; quantity in litres and amount in roubles, as decimal text."""

    card_token: str
    station: str
    product: str
    quantity: str
    amount: str


def company(rng: random.Random) -> Company:
    """Return a company with valid checksums. INN and KPP together are one of 6.5e11 pairs: no duplicates."""
    inn = _inn(rng)
    return Company(
        name=f'{rng.choice(_FORMS)} "{rng.choice(_WORDS)}-{rng.randrange(10**6)}"',
        inn=inn,
        kpp=f"{inn[:4]}01{rng.randrange(1000):03d}",
        phone=f"+79{rng.choice(_MOBILE)}{rng.randrange(10**8):08d}",
        person=rng.choice(_PEOPLE),
    )


def misspelt(rng: random.Random, name: str) -> str:
    """Return the name of a company without its form, two neighbouring letters of it changed over."""
    word = name.partition('"')[2].rstrip('"')
    letters = word.partition("-")[0]
    place = rng.choice([n for n in range(1, len(letters) - 1) if letters[n] != letters[n + 1]])
    return f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}"


def purchase(rng: random.Random) -> Purchase:
    litres = rng.randrange(500, 9000)  # hundredths
    price = rng.randrange(4800, 7600)  # hundredths of a rouble a litre
    cents = litres * price // 100
    return Purchase(
        card_token=f"tok_{rng.randrange(16**10):010x}",
        station=f"АЗС-{rng.randrange(1, STATIONS + 1):04d}",
        product=rng.choice(_PRODUCTS),
        quantity=f"{litres // 100}.{litres % 100:02d}0",
        amount=f"{cents // 100}.{cents % 100:02d}",
    )


def _inn(rng: random.Random) -> str:
    digits = rng.choice(REGIONS) + f"{rng.randrange(10**7):07d}"
    control = sum(weight * int(digit) for weight, digit in zip(INN_WEIGHTS, digits, strict=True)) % 11 % 10
    return f"{digits}{control}"

"""Words from which plausible names are made. Invented customers: any likeness is chance."""

from __future__ import annotations

from random import Random

# Codes of the tax offices' regions: the 65 in which the company of the seed documents sells.
REGION_CODES = tuple(f"{code:02}" for code in (*range(1, 63), 74, 77, 78))

LEGAL_FORMS = ("ООО", "ООО", "ООО", "АО", "ПАО", "ЗАО", "МУП", "ТОО")
TRADES = (
    "Транс", "Авто", "Агро", "Строй", "Нефть", "Логистика", "Торг", "Сервис", "Энерго", "Лес", "Дор", "Хим",
)  # fmt: skip
SYLLABLES = (
    "ба", "ве", "го", "ди", "жа", "зо", "ка", "ле", "ми", "но", "па", "ре", "са", "та", "уль", "фе", "ха",
    "це", "ча", "ша", "ал", "бор", "вин", "дар", "ер", "кор", "лан", "мар", "нов", "ор", "пол", "рус", "сев",
    "тер", "юг",
)  # fmt: skip
FIRST_NAMES = (
    "Иван", "Пётр", "Анна", "Мария", "Олег", "Ольга", "Семён", "Алия", "Нурлан", "Айгуль", "Фёдор", "Вера",
)  # fmt: skip
MAILBOXES = ("info", "office", "sales", "zakaz", "buh")


def brand(random: Random) -> str:
    return "".join(random.choices(SYLLABLES, k=3)).capitalize()


def company(random: Random) -> str:
    return f"{random.choice(LEGAL_FORMS)} «{brand(random)} {random.choice(TRADES)}{random.choice(SYLLABLES)}»"


def person(random: Random) -> str:
    return f"{brand(random)}{random.choice(('ов', 'ин', 'ко'))} {random.choice(FIRST_NAMES)}"


def untidy(random: Random, name: str) -> str:
    """As people type: doubled spaces and quotes, a lonely bracket, stray signs."""
    return random.choice((name.replace(" ", "  "), name.replace("»", '"»'), f"{name} (", f" *{name}_"))

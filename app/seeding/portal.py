"""Who signs in to the base: clients in the portal, and the staff; and what clients write each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from app.access.policy import Role
from app.community.schemas import Letter
from app.seeding import phrases, staff
from app.seeding.ground import Buyer
from app.seeding.staff import Office
from app.seeding.story import id_at

LETTERS_EACH = 4  # each so-many-th contract's buyer writes to the next one's
BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
_ANSWERED = timedelta(minutes=40)

Row = Mapping[str, object]


def client(number: int) -> str:
    """The account of a seeded company's client."""
    return f"portal.erp-{number}"


def clients(buyers: Iterable[Buyer]) -> Iterator[Row]:
    for buyer in buyers:
        yield _account(client(buyer.number), buyer.name, Role.CUSTOMER, customer=buyer.id)


def colleagues(titles: Mapping[str, str]) -> Iterator[Row]:
    """Of the staff, whose names are given by code: heads see their office and its regions."""
    for office in staff.OFFICES:
        for place in range(staff.MOST_MANAGERS):
            code = staff.manager(office, place)
            if code in titles:
                yield _colleague(office, code, titles[code], head=place == 0)


def _colleague(office: Office, code: str, title: str, *, head: bool) -> Row:
    role = Role.HEAD if head else Role.SALES_MANAGER
    return _account(code, title, role, units=(office.code,), regions=office.regions if head else ())


def _account(
    id_: str,
    title: str,
    role: Role,
    *,
    units: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    customer: UUID | None = None,
) -> Row:
    roles = [role.value]
    return {
        "id": id_,
        "title": title,
        "roles": roles,
        "units": units,
        "regions": regions,
        "customer": customer,
    }


def letters(seed: int, number: int, asking: Buyer, asked: Buyer) -> Iterator[Letter]:
    """A question, read, and its answer, not read yet; between the buyers of a contract and of the next."""
    if number % LETTERS_EACH or asking.number == asked.number:
        return
    random = Random(f"{seed}:letters:{number}")  # noqa: S311  # reproducible is the point
    question, answer = phrases.LETTERS[phrases.language(random)]
    at = BEGIN + timedelta(minutes=number % (60 * 24 * 14))
    one, other = client(asking.number), client(asked.number)
    answered = at + _ANSWERED
    yield Letter(id_at(at, seed, "letter", number, 0), one, other, question, at, answered)
    yield Letter(id_at(answered, seed, "letter", number, 1), other, one, answer, answered, None)

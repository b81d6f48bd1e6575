"""What operators and systems do, as the endpoints call it, on a base of `search_base` and `history_base`."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from secrets import randbelow
from uuid import UUID

import orjson

from app import pagination
from app.access.principal import TRUSTED
from app.card_transactions import service as card_transactions
from app.card_transactions.schemas import BatchForm, TransactionForm
from app.customers import search, service, window
from app.customers.schemas import CustomerChange, CustomerForm
from app.database.answer import Command, Committed
from app.database.database import Database
from app.identifiers import COMPANY_INN_LENGTH
from app.requests import moves
from app.requests import service as requests
from app.requests.channels import Channel
from app.requests.schemas import CloseForm, RequestForm, TakeForm
from app.seeding import customers, names
from benchmarks.in_process import FRESH, PATIENCE_S, Known
from benchmarks.search import KINDS
from benchmarks.search_base import customer_id

BATCH = 100  # card transactions
# Beside those of `history_base`, of whom a request that nobody works at could be the next.
OPERATOR = "growth.1"
_RATHER_FEW = 20

Operation = Callable[[Known], Awaitable[object]]
# A base may be measured by one process after the other: no key, number or id comes twice.
_serial = count(randbelow(9 * 10**6))


class Desk:
    """Requests on their way: what was registered is taken, what was taken is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registered: deque[UUID] = deque()
        self._taken: deque[UUID] = deque()

    async def register(self, card: Known) -> None:
        form = RequestForm(
            customer_id=card.id,
            channel=Channel.CALL,
            topic="cards",
            subject="Вопрос",
            text="Когда придёт карта?",
        )
        made = await requests.register(self._database, command(), form)
        self._registered.append(_id_of(made))

    async def take(self, _: Known) -> None:
        id_ = self._registered.popleft()
        await moves.make(self._database, command(), id_, moves.take(TakeForm(operator=OPERATOR)))
        self._taken.append(id_)

    async def close(self, _: Known) -> None:
        form = CloseForm(operator=OPERATOR, resolution="Карта выдана")
        await moves.make(self._database, command(), self._taken.popleft(), moves.close(form))


def operations(
    database: Database, size: int, random: Random, calls: int
) -> Mapping[str, tuple[Operation, int]]:
    """Each with its calls a run; those of the desk in the order of the work."""
    page = partial(service.page, database, FRESH, limit=50, external_id=None)
    middle = pagination.encode_cursor(customer_id(size // 2))
    found = partial(search.search, database, FRESH, limit=20)
    sections = window.visible(TRUSTED)
    desk = Desk(database)
    reads: Mapping[str, Operation] = {
        "one-row read": lambda card: service.get(database, card.id, FRESH),
        "first page of 50": lambda _: page(cursor=None),
        "page of 50 in the middle": lambda _: page(cursor=middle),
        **{f"search, {kind}": partial(_search, found, random, make) for kind, make in KINDS.items()},
        "likely duplicates of a card": lambda card: service.duplicates(database, card.id, FRESH),
        "single window": lambda card: window.window(database, card.id, FRESH, sections),
        "requests of a customer": lambda card: _list(database, customer_id=str(card.id)),
        "requests of an operator": lambda _: _list(database, assignee="growth.2"),
        "open requests of a unit": lambda _: _list(database, unit="contact-centre", status="in_progress"),
    }
    writes: Mapping[str, Operation] = {
        "new card": lambda _: service.create(database, command(), _new_card(random)),
        "change of a card": lambda card: _change(database, card),
        "registration of a request": desk.register,
        "take of a request": desk.take,
        "close of a request": desk.close,
        "one card transaction": lambda _: card_transactions.receive(database, command(), _bought(random)),
    }
    each = {name: (operation, calls) for name, operation in {**reads, **writes}.items()}
    return {**each, f"batch of {BATCH} card transactions": (partial(_batch, database, random), _RATHER_FEW)}


async def _search(
    found: Callable[..., Awaitable[object]], random: Random, make: Callable[[Random, Known], str], card: Known
) -> object:
    return await found(query=make(random, card))


async def _list(database: Database, **filters: str) -> object:
    return await requests.page(database, FRESH, filters, limit=50, cursor=None)


async def _change(database: Database, card: Known) -> object:
    """Its INN is put right: those of `search_base` have no check digits."""
    make = customers.company_inn if len(card.inn) == COMPANY_INN_LENGTH else customers.person_inn
    change = CustomerChange(inn=make("78", next(_serial)))
    return await service.change(database, command(), card.id, "*", change)


async def _batch(database: Database, random: Random, _: Known) -> object:
    bought = tuple(_bought(random) for _ in range(BATCH))
    return await card_transactions.receive_batch(database, command(), BatchForm(transactions=bought))


def _bought(random: Random) -> TransactionForm:
    return TransactionForm(
        processing_id=f"growth-{next(_serial)}",
        card_token=f"tok_{random.randrange(10**6)}",
        station="AZS-0001",
        product="AI-95",
        quantity=Decimal("40.00"),
        amount=Decimal("2200.00"),
        currency="RUB",
        occurred_at=datetime.now(UTC),
    )


def _new_card(random: Random) -> CustomerForm:
    """Of a region that the base has none of."""
    number = next(_serial)
    return CustomerForm.model_validate(
        {
            "kind": "company",
            "name": names.company(random),
            "inn": customers.company_inn("78", number),
            "kpp": "780101001",
            "external_id": f"growth-{number}",
            "contacts": [{"kind": "phone", "value": f"+7{random.randrange(910, 920)}{number % 10**7:07}"}],
        }
    )


def command() -> Command:
    return Command("bench", "bench", f"growth-{next(_serial)}", b"0" * 32, PATIENCE_S)


def _id_of(made: Committed) -> UUID:
    return UUID(orjson.loads(made.answer.body)["id"])

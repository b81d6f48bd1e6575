"""What can be done with contracts: conclude, change, allow products, prolong, end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from app.contracts import repository, rules
from app.contracts.schemas import (
    CONTRACTS,
    AllowedProduct,
    Conditions,
    Contract,
    ContractForm,
    ContractStatus,
    ProductsForm,
    ProlongForm,
)
from app.customers.repository import add_key
from app.customers.service import no_lead_any_more
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, invalid, not_found
from app.identifiers import document_number
from app.identity import now
from app.records import service

BATCH = 200


@dataclass(frozen=True, slots=True)
class AllowedProducts:
    items: Sequence[AllowedProduct]


async def conclude(database: Database, command: Command, form: ContractForm) -> Committed:
    """Raises ProblemError: unknown-customer, already-exists (the number), validation."""

    async def make(unit: WriteUnit) -> Contract:
        if form.deal_id is not None and not await repository.own_deal(unit, form.deal_id, form.customer_id):
            raise invalid([FieldError("/deal_id", "unknown", "the customer has no such deal")])
        agreed = _plain(form, "customer_id")
        return Contract(**service.fresh(form.customer_id), status=ContractStatus.ACTIVE, **agreed)

    async def after(unit: WriteUnit, contract: Contract) -> None:
        await add_key(unit, contract.customer_id, "contract", document_number(contract.number))
        await no_lead_any_more(unit, contract.customer_id)

    return await service.create(database, command, CONTRACTS, "concluded", make, then=after)


def _plain(form: Conditions, *without: str) -> dict[str, Any]:
    """The form's fields as they are: nested forms stay forms."""
    return {name: getattr(form, name) for name in type(form).model_fields if name not in without}


async def change_conditions(
    database: Database, command: Command, id_: UUID, *, expected: str, form: Conditions
) -> Committed:
    async def change(_: WriteUnit, contract: Contract) -> Contract:
        rules.refuse_ended(contract)
        return contract.model_copy(update=_plain(form))

    return await service.change(database, command, CONTRACTS, id_, change, kind="changed", expected=expected)


async def allow(
    database: Database, command: Command, id_: UUID, *, expected: str, form: ProductsForm
) -> Committed:
    """Replace what may be ordered, as a whole."""

    async def change(unit: WriteUnit, contract: Contract) -> Contract:
        rules.refuse_ended(contract)
        await repository.allow(unit, id_, form.products)
        return contract

    return await service.change(
        database, command, CONTRACTS, id_, change, kind="allowed", expected=expected, note=form.agreement
    )


async def prolong(
    database: Database, command: Command, id_: UUID, *, expected: str, form: ProlongForm
) -> Committed:
    """By so many months on what the contract has: two who saw the same version would do it twice."""

    async def change(_: WriteUnit, contract: Contract) -> Contract:
        return rules.prolonged(contract, form.until)

    return await service.change(
        database, command, CONTRACTS, id_, change, kind="prolonged", expected=expected, note=form.note
    )


async def end(database: Database, command: Command, id_: UUID, note: str) -> Committed:
    async def change(_: WriteUnit, contract: Contract) -> Contract:
        return rules.terminated(contract)

    return await service.change(database, command, CONTRACTS, id_, change, kind="terminated", note=note)


async def products(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[AllowedProducts, Found[AllowedProduct | None]]:
    found = await database.read(repository.PRODUCTS, {"id": id_}, freshness)
    if not found.rows:
        raise not_found("contract")
    return AllowedProducts([each for each in found.rows if each is not None]), found


async def prolong_due(database: Database, command: Command) -> bool:
    """The worker's step: contracts whose terms say so go on. True: there may be more."""

    async def work(unit: WriteUnit) -> Answer:
        contracts = await repository.ending(unit, now().date(), BATCH)
        for contract in contracts:
            onward = rules.prolonged(contract, None)
            await service.move(
                unit, CONTRACTS, onward, "prolonged", actor=command.principal, note="automatic"
            )
        return Answer(200, encode({"prolonged": len(contracts)}))

    committed = await database.write(command, work)
    return bool(orjson.loads(committed.answer.body)["prolonged"] == BATCH)

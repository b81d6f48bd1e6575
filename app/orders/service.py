"""What can be done with orders: draft, fill in, validate, submit, repeat, put away, decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.database.answer import Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.errors import FieldError, invalid, not_found
from app.identity import now
from app.orders import repository, rules
from app.orders.schemas import (
    ORDERS,
    Content,
    DecisionForm,
    Discount,
    DiscountForm,
    DiscountStatus,
    Order,
    OrderForm,
    OrderStatus,
    Vehicle,
)
from app.orders.validation import Basis, faults, vehicle_faults
from app.records import repository as records
from app.records import service
from app.security import shown_terms


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether an order could be submitted now, and what is wrong with it."""

    valid: bool
    errors: tuple[FieldError, ...]


# What an order does not have from its beginning.
_LATER = ("discount", "full_amount", "amount", "currency", "repeats")


def _filled(form: Content) -> dict[str, Any]:
    return {name: getattr(form, name) for name in Content.model_fields}


async def draft(database: Database, command: Command, form: OrderForm) -> Committed:
    """A draft may be as incomplete as it likes."""

    async def make(unit: WriteUnit) -> Order:
        return await _new(unit, form.customer_id, _filled(form))

    return await service.create(database, command, ORDERS, "drafted", make)


async def _new(unit: WriteUnit, customer_id: UUID, content: dict[str, Any], **more: Any) -> Order:
    order = Order.model_construct(
        **service.fresh(customer_id),
        number=await repository.next_number(unit),
        status=OrderStatus.DRAFT,
        archived=False,
        **{**dict.fromkeys(_LATER), **content, **more},
    )
    await _own_contract(unit, order)
    return order


async def _own_contract(unit: WriteUnit, order: Order) -> None:
    """The foreign key would see all contracts: even a draft names only one of the customer's own."""
    if order.contract_id is not None and await _basis(unit, order) is None:
        wrong = FieldError("/contract_id", "unknown-contract", "the customer has no such contract")
        raise invalid([wrong])


async def repeat(database: Database, command: Command, id_: UUID) -> Committed:
    """A new draft with the content of an order; the day is to be said anew."""

    async def make(unit: WriteUnit) -> Order:
        first = await records.lock(unit, ORDERS, id_)
        if first is None:
            raise not_found(ORDERS.word)
        content = {name: getattr(first, name) for name in Content.model_fields}
        content["requisites"] = first.requisites.model_copy(update={"wanted_on": None})
        return await _new(unit, first.customer_id, content, repeats=first.id)

    return await service.create(database, command, ORDERS, "drafted", make)


async def fill_in(
    database: Database, command: Command, id_: UUID, *, expected: str, form: Content
) -> Committed:
    async def change(unit: WriteUnit, order: Order) -> Order:
        rules.require(order, rules.OPEN_TO_CHANGES)
        changed = order.model_copy(update=_filled(form))
        await _own_contract(unit, changed)
        return _without_promises(changed)

    return await service.change(database, command, ORDERS, id_, change, kind="changed", expected=expected)


def _without_promises(order: Order) -> Order:
    """A discount that was granted for other content is to be asked for again."""
    if order.discount is None or order.discount.status is not DiscountStatus.GRANTED:
        return order
    again = Discount(
        status=DiscountStatus.REQUESTED, percent=order.discount.percent, reason=order.discount.reason
    )
    return rules.priced(order.model_copy(update={"discount": again}), None)


async def submit(database: Database, command: Command, id_: UUID, note: str | None) -> Committed:
    """Raises ProblemError (validation) that names everything that is wrong."""

    async def change(unit: WriteUnit, order: Order) -> Order:
        submitted = rules.stepped(order, "submitted")
        basis = await _basis(unit, order)
        errors = faults(order, basis, now().date())
        if errors or basis is None:
            raise invalid(errors)
        submitted = submitted.model_copy(update={"currency": basis.currency})
        return rules.priced(submitted, rules.total(order, basis.products))

    return await service.change(database, command, ORDERS, id_, change, kind="submitted", note=note)


async def _basis(unit: WriteUnit, order: Order) -> Basis | None:
    return await repository.basis(unit, _about(order))


def _about(order: Order) -> dict[str, object]:
    products = [item.product for item in order.items]
    return repository.about(order.contract_id, order.customer_id, products, now().date())


async def validate(database: Database, id_: UUID, freshness: Freshness) -> tuple[Validation, Found[Order]]:
    """With the rights of who asks: a carrier, who knows no terms, is told what the vehicle lacks."""
    order, found = await service.get(database, ORDERS, id_, freshness)
    if not shown_terms(order):
        lacking = tuple(vehicle_faults(order, {}))
        return Validation(not lacking, lacking), found
    basis = (await database.read(repository.BASIS, _about(order), freshness)).first
    errors = tuple(faults(order, basis, now().date()))
    return Validation(not errors, errors), found


async def step(
    database: Database,
    command: Command,
    id_: UUID,
    change: Callable[[Order], Order],
    *,
    kind: str,
    note: str | None = None,
) -> Committed:
    """Whatever needs nothing but the order."""

    async def changed(_: WriteUnit, order: Order) -> Order:
        return change(order)

    return await service.change(database, command, ORDERS, id_, changed, kind=kind, note=note)


async def ask_discount(database: Database, command: Command, id_: UUID, form: DiscountForm) -> Committed:
    return await step(
        database,
        command,
        id_,
        lambda order: rules.with_request(order, form),
        kind="discount_requested",
        note=form.reason,
    )


async def name_vehicle(
    database: Database, command: Command, id_: UUID, *, expected: str, vehicle: Vehicle
) -> Committed:
    async def change(_: WriteUnit, order: Order) -> Order:
        named = rules.with_vehicle(order, vehicle)
        if order.status is not OrderStatus.DRAFT:
            _refuse_vehicle(named)
        return named

    return await service.change(
        database, command, ORDERS, id_, change, kind="vehicle_named", expected=expected
    )


def _refuse_vehicle(order: Order) -> None:
    """Of an order that was submitted the vehicle stays complete, whoever names another."""
    errors = [
        replace(error, pointer=error.pointer.removeprefix("/vehicle")) for error in vehicle_faults(order, {})
    ]
    if errors:
        raise invalid(errors)


async def decide(database: Database, command: Command, id_: UUID, form: DecisionForm) -> Committed:
    kind = rules.DECIDED[form.decision]
    return await step(
        database, command, id_, lambda order: rules.decided(order, form), kind=kind, note=form.note
    )

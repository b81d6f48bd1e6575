"""/api/v1/orders."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from app.http import (
    ONE_PROBLEMS,
    IfMatch,
    KeyedCommand,
    OptionalCommand,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.orders import rules, service
from app.orders.schemas import (
    ORDERS,
    Content,
    DecisionForm,
    DiscountForm,
    Order,
    OrderForm,
    StepForm,
    Vehicle,
)
from app.problems import problems
from app.records.endpoints import CREATE_PROBLEMS, EDIT_PROBLEMS, MOVE_PROBLEMS, router_of

router = router_of(ORDERS)


@router.post("", status_code=201, response_model=Order, responses=CREATE_PROBLEMS)
async def draft_order(form: OrderForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Save an order as a draft, as far as it goes."""
    return written(await service.draft(database, command, form))


@router.put("/{record_id}", response_model=Order, responses=EDIT_PROBLEMS)
async def fill_in_order(
    record_id: UUID, form: Content, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Replace the content of a draft."""
    return written(await service.fill_in(database, command, record_id, expected=if_match, form=form))


@router.get(
    "/{record_id}/validation",
    response_model=service.Validation,
    responses=problems(*ONE_PROBLEMS),
)
async def validate_order(record_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """What would keep the order from being submitted. A carrier is told what the vehicle lacks."""
    answer, found = await service.validate(database, record_id, freshness)
    return shown(answer, found)


@router.post("/{record_id}/submit", response_model=Order, responses=MOVE_PROBLEMS)
async def submit_order(
    record_id: UUID, form: StepForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Order it. Everything that is wrong is named, field by field."""
    return written(await service.submit(database, command, record_id, form.note))


@router.post("/{record_id}/repeat", status_code=201, response_model=Order, responses=MOVE_PROBLEMS)
async def repeat_order(record_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """A new draft with the content of this order."""
    return written(await service.repeat(database, command, record_id))


@router.post("/{record_id}/cancel", response_model=Order, responses=MOVE_PROBLEMS)
async def cancel_order(
    record_id: UUID, form: StepForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Take an order back before it is confirmed."""
    kind = "cancelled"
    return written(
        await service.step(
            database, command, record_id, lambda order: rules.stepped(order, kind), kind=kind, note=form.note
        )
    )


@router.post("/{record_id}/archive", response_model=Order, responses=MOVE_PROBLEMS)
async def archive_order(record_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """Put an order away that is not on its way."""
    return written(
        await service.step(
            database, command, record_id, lambda order: rules.put_away(order, archived=True), kind="archived"
        )
    )


@router.post("/{record_id}/restore", response_model=Order, responses=MOVE_PROBLEMS)
async def restore_order(record_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """Take an order out of the archive."""
    return written(
        await service.step(
            database, command, record_id, lambda order: rules.put_away(order, archived=False), kind="restored"
        )
    )


@router.post("/{record_id}/discount-request", response_model=Order, responses=MOVE_PROBLEMS)
async def request_discount(
    record_id: UUID, form: DiscountForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Ask for a discount before the order is confirmed."""
    return written(await service.ask_discount(database, command, record_id, form))


@router.put("/{record_id}/vehicle", response_model=Order, responses=EDIT_PROBLEMS)
async def name_vehicle(
    record_id: UUID, form: Vehicle, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Say which vehicle comes: the buyer, or the carrier after the order was submitted."""
    return written(await service.name_vehicle(database, command, record_id, expected=if_match, vehicle=form))


@router.post("/{record_id}/decision", response_model=Order, responses=MOVE_PROBLEMS)
async def decide_order(
    record_id: UUID, form: DecisionForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """What is decided on our side: confirm, refuse, ship, complete; grant or refuse a discount."""
    return written(await service.decide(database, command, record_id, form))

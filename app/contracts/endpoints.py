"""/api/v1/contracts."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from app.contracts import service
from app.contracts.schemas import (
    CONTRACTS,
    Conditions,
    Contract,
    ContractForm,
    EndForm,
    ProductsForm,
    ProlongForm,
)
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
from app.problems import problems
from app.records.endpoints import CREATE_PROBLEMS, EDIT_PROBLEMS, MOVE_PROBLEMS, router_of

router = router_of(CONTRACTS)


@router.post("", status_code=201, response_model=Contract, responses=CREATE_PROBLEMS)
async def conclude_contract(form: ContractForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """A contract with a customer. Its number is given once."""
    return written(await service.conclude(database, command, form))


@router.put("/{record_id}", response_model=Contract, responses=EDIT_PROBLEMS)
async def change_contract(
    record_id: UUID, form: Conditions, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Replace the conditions as a whole; another unit takes the contract over so."""
    return written(
        await service.change_conditions(database, command, record_id, expected=if_match, form=form)
    )


@router.get(
    "/{record_id}/products",
    response_model=service.AllowedProducts,
    responses=problems(*ONE_PROBLEMS),
)
async def allowed_products(record_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """What may be ordered under the contract."""
    items, found = await service.products(database, record_id, freshness)
    return shown(items, found)


@router.put("/{record_id}/products", response_model=Contract, responses=EDIT_PROBLEMS)
async def allow_products(
    record_id: UUID, form: ProductsForm, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Replace the list of what may be ordered."""
    return written(await service.allow(database, command, record_id, expected=if_match, form=form))


@router.post("/{record_id}/prolong", response_model=Contract, responses=EDIT_PROBLEMS)
async def prolong_contract(
    record_id: UUID, form: ProlongForm, command: KeyedCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """The contract goes on, until a day or by its own terms; from the version that was seen, so once."""
    return written(await service.prolong(database, command, record_id, expected=if_match, form=form))


@router.post("/{record_id}/terminate", response_model=Contract, responses=MOVE_PROBLEMS)
async def end_contract(
    record_id: UUID, form: EndForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """The contract ends; nothing is ordered under it any more."""
    return written(await service.end(database, command, record_id, form.note))

"""/api/v1/identifications, /identification-scenarios, and /customers/{id}/representatives."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app.customers.window import Window
from app.directory.endpoints import router_of
from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.identification import repository, service
from app.identification.schemas import (
    SCENARIOS,
    CallerForm,
    Identification,
    Representative,
    RepresentativeForm,
    Representatives,
)
from app.problems import problems

_callers = APIRouter(prefix="/identifications", tags=["identification"], route_class=StrictRoute)
_people = APIRouter(
    prefix="/customers/{customer_id}/representatives", tags=["identification"], route_class=StrictRoute
)
routers = (_callers, _people, router_of(SCENARIOS))


@_callers.post("", status_code=201, response_model=Identification, responses=problems(*WRITE_PROBLEMS))
async def identify_caller(form: CallerForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Who is calling: the card, the level reached, what is still to be asked, what may be told."""
    return written(await service.identify(database, command, form))


@_callers.get(
    "/{identification_id}/window",
    response_model=Window,
    responses=problems(*ONE_PROBLEMS, Problem.WRONG_STATE),
)
async def get_what_may_be_told(
    identification_id: UUID, database: TheDatabase, freshness: TheFreshness
) -> Response:
    """What the caller may be told, and nothing else, for half an hour."""
    told, found = await service.told(database, identification_id, freshness)
    return shown(told, found)


@_people.post(
    "",
    status_code=201,
    response_model=Representative,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND),
)
async def entitle_representative(
    customer_id: UUID, form: RepresentativeForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Let somebody speak for the customer, on some topics or all."""
    return written(await service.entitle(database, command, customer_id, form))


@_people.get("", response_model=Representatives, responses=problems(*ONE_PROBLEMS))
async def list_representatives(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Who speaks or spoke for the customer; newest first."""
    found = await database.read(repository.REPRESENTATIVES, {"customer_id": customer_id}, freshness)
    return shown(Representatives(found.rows), found)


@_people.post(
    "/{representative_id}/revoke",
    response_model=Representative,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND),
)
async def revoke_representative(
    customer_id: UUID, representative_id: UUID, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Their authority ends now."""
    return written(await service.revoke(database, command, customer_id, representative_id))

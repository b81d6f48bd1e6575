"""/api/v1/assignment-rules and the service profile of a customer."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app.directory.endpoints import router_of
from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.problems import problems
from app.routing import service
from app.routing.schemas import RULES, ProfileForm

profiles = APIRouter(prefix="/customers", tags=["service profiles"], route_class=StrictRoute)


@profiles.get(
    "/{customer_id}/service-profile",
    response_model=ProfileForm,
    responses=problems(*ONE_PROBLEMS),
)
async def get_profile(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """How the customer is served; a customer without a profile is served as anybody."""
    profile, found = await service.profile(database, customer_id, freshness)
    return shown(profile.model_dump(mode="json"), found)


@profiles.put(
    "/{customer_id}/service-profile",
    response_model=ProfileForm,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND),
)
async def put_profile(
    customer_id: UUID, form: ProfileForm, command: OptionalCommand, database: TheDatabase
) -> Response:
    """Replace the profile as a whole: region, type, planned volume, VIP, manager, contract's office."""
    return written(await service.save_profile(database, command, customer_id, form))


routers = (router_of(RULES), profiles)

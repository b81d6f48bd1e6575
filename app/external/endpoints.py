"""/api/v1/external/{system}/requests/{reference}: for systems that requests are handed over to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.directory.model import Code
from app.errors import Problem
from app.external import service
from app.external.schemas import ExternalMessageForm, StatusForm
from app.fields import MAX_OPAQUE
from app.http import WRITE_PROBLEMS, KeyedCommand, StrictRoute, TheDatabase, written
from app.problems import problems
from app.requests.attachments import Attachment, AttachmentForm
from app.requests.schemas import CustomerRequest, Message
from app.security import CurrentPrincipal

router = APIRouter(
    prefix="/external/{system}/requests/{reference}", tags=["integration"], route_class=StrictRoute
)

Reference = Annotated[
    str,
    Path(
        min_length=1, max_length=MAX_OPAQUE, pattern=r"^[^\x00-\x1f\x7f/]+$", description="Its number there"
    ),
]
MOVING = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE)
ADDING = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE, Problem.ALREADY_EXISTS)


@router.post("/status", response_model=CustomerRequest, responses=MOVING)
async def tell_status(
    system: Code,
    reference: Reference,
    form: StatusForm,
    *,
    command: KeyedCommand,
    principal: CurrentPrincipal,
    database: TheDatabase,
) -> Response:
    """Its status; with `course` it gives the request back or closes it."""
    service.check(principal, system)
    return written(await service.status(database, command, system, reference, form))


@router.post("/messages", status_code=201, response_model=Message, responses=ADDING)
async def tell_message(
    system: Code,
    reference: Reference,
    form: ExternalMessageForm,
    *,
    command: KeyedCommand,
    principal: CurrentPrincipal,
    database: TheDatabase,
) -> Response:
    """A letter of its staff, kept with the request."""
    service.check(principal, system)
    return written(await service.message(database, command, system, reference, form))


@router.post("/attachments", status_code=201, response_model=Attachment, responses=ADDING)
async def tell_attachment(
    system: Code,
    reference: Reference,
    form: AttachmentForm,
    *,
    command: KeyedCommand,
    principal: CurrentPrincipal,
    database: TheDatabase,
) -> Response:
    """A file of its own."""
    service.check(principal, system)
    return written(await service.attach(database, command, system, reference, form))

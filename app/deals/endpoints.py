"""/api/v1/deals, /tasks and /deal-stages."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.deals import service
from app.deals.schemas import (
    DEALS,
    STAGES,
    TASKS,
    Deal,
    DealForm,
    NoteForm,
    StageForm,
    Task,
    TermsChange,
)
from app.directory import endpoints as directory
from app.directory.model import Code
from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    IfMatch,
    KeyedCommand,
    OptionalCommand,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.problems import problems
from app.records.endpoints import EDIT_PROBLEMS, MOVE_PROBLEMS, router_of

deals = router_of(DEALS)
tasks = router_of(TASKS)
OPEN_PROBLEMS = problems(
    *WRITE_PROBLEMS, Problem.UNKNOWN_CUSTOMER, Problem.ALREADY_EXISTS, Problem.WRONG_STATE
)
routers = (deals, tasks, directory.router_of(STAGES))


@deals.post("", status_code=201, response_model=Deal, responses=OPEN_PROBLEMS)
async def open_deal(form: DealForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Open a deal with a customer. The stage's tasks are set."""
    return written(await service.open_deal(database, command, form))


@deals.patch("/{record_id}", response_model=Deal, responses=EDIT_PROBLEMS)
async def change_terms(
    record_id: UUID, form: TermsChange, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Change terms; those that the present stage asks for stay, and stay consistent."""
    return written(await service.change_terms(database, command, record_id, expected=if_match, form=form))


@deals.post("/{record_id}/stage", response_model=Deal, responses=MOVE_PROBLEMS)
async def to_stage(
    record_id: UUID, form: StageForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Come to another stage. What it needs and does not find is named, field by field."""
    return written(await service.to_stage(database, command, record_id, form.stage, form.note))


@deals.get(
    "/{record_id}/readiness",
    response_model=service.Readiness,
    responses=problems(*ONE_PROBLEMS),
)
async def readiness(
    record_id: UUID, stage: Annotated[Code, Query()], database: TheDatabase, freshness: TheFreshness
) -> Response:
    """What the deal still lacks for a stage."""
    answer, found = await service.readiness(database, record_id, stage, freshness)
    return shown(answer, found)


@tasks.post("/{record_id}/done", response_model=Task, responses=MOVE_PROBLEMS)
async def finish_task(
    record_id: UUID, form: NoteForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """The task is done."""
    return written(await service.finish_task(database, command, record_id, form.note))

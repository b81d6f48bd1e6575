"""/api/v1/calls."""

from __future__ import annotations

from uuid import UUID

import psycopg
from fastapi import APIRouter, Response

from app.calls import events, repository
from app.calls.schemas import Call, CallForm
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, invalid
from app.http import (
    BASE,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    run,
    shown,
)
from app.identity import new_id
from app.problems import problems

router = APIRouter(prefix="/calls", tags=["calls"], route_class=StrictRoute)


@router.post("", response_model=Call, responses=problems(*WRITE_PROBLEMS))
async def put_call(form: CallForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Tell of a call when it rings, when it is answered and when it ends; each time what is known then."""

    async def work(unit: WriteUnit) -> Answer:
        known = await repository.lock(unit, form.external_id)
        call = await repository.put(unit, new_id(), form)
        assert call is not None
        if call != known:
            await events.tell(unit, call)
        return Answer(200, encode(call), {"Location": f"{BASE}/calls/{call.id}"})

    try:
        return await run(database, command, work)
    except psycopg.errors.ForeignKeyViolation as error:
        field = (error.diag.constraint_name or "").removeprefix("call_").removesuffix("_fkey")
        raise invalid([FieldError(f"/{field}", "unknown", "there is none with this id")]) from error
    except psycopg.errors.CheckViolation as error:
        raise invalid(
            [FieldError("/ended_at", "order", "it does not follow what was told before")]
        ) from error


@router.get("/{call_id}", response_model=Call, responses=problems(*ONE_PROBLEMS))
async def get_call(call_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """One call with its timers and the link to its recording."""
    found = await database.read(repository.ONE, {"id": call_id}, freshness)
    return shown(found.one("call"), found)

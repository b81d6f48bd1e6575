"""The same five calls for every directory."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from app.directory import service
from app.directory.model import Code, Directory, Entry, Kept, Listing
from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    IfMatch,
    KeyedCommand,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    etag,
    shown,
    written,
)
from app.problems import problems

After = Annotated[str, Query(max_length=63, pattern=r"^[a-z0-9_.-]*$", description="The last code seen")]
Entries = Annotated[int, Query(ge=1, le=500)]
TheCode = Annotated[Code, Path()]


def router_of(directory: Directory[Any]) -> APIRouter:
    """FastAPI reads the form's type from the annotations, which therefore are set per directory."""
    router = APIRouter(prefix=f"/{directory.name}", tags=[directory.name], route_class=StrictRoute)
    _add_reads(router, directory)
    _add_writes(router, directory)
    return router


def _add_writes(router: APIRouter, directory: Directory[Any]) -> None:
    kept: Any = Kept[directory.form]  # type: ignore[name-defined]
    noun = directory.name

    async def enter(form: Entry, command: KeyedCommand, database: TheDatabase) -> Response:
        """A new entry."""
        return written(await service.enter(database, command, directory, form))

    async def replace(
        code: TheCode, form: Entry, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
    ) -> Response:
        """A new version of an entry. The versions before it stay readable."""
        return written(
            await service.replace(database, command, directory, code, expected=if_match, form=form)
        )

    for endpoint in (enter, replace):
        endpoint.__annotations__["form"] = directory.form
    router.post(
        "",
        name=f"enter_{noun}",
        status_code=201,
        response_model=kept,
        responses=problems(*WRITE_PROBLEMS, Problem.ALREADY_EXISTS),
    )(enter)
    changing = (Problem.NOT_FOUND, Problem.VERSION_MISMATCH, Problem.IF_MATCH_MISSING)
    router.put(
        "/{code}",
        name=f"replace_{noun}",
        response_model=kept,
        responses=problems(*WRITE_PROBLEMS, *changing),
    )(replace)


def _add_reads(router: APIRouter, directory: Directory[Any]) -> None:
    listing: Any = Listing[directory.form]  # type: ignore[name-defined]
    kept: Any = Kept[directory.form]  # type: ignore[name-defined]
    noun = directory.name
    one_problems = problems(*ONE_PROBLEMS)

    @router.get("", name=f"list_{noun}", response_model=listing, responses=problems(*READ_PROBLEMS))
    async def page(
        database: TheDatabase, freshness: TheFreshness, limit: Entries = 100, after: After = ""
    ) -> Response:
        """Entries by code, active or not."""
        entries, found = await service.page(database, directory, freshness, limit=limit, after=after)
        return shown(entries.model_dump(mode="json"), found)

    @router.get("/{code}", name=f"get_{noun}", response_model=kept, responses=one_problems)
    async def get(code: TheCode, database: TheDatabase, freshness: TheFreshness) -> Response:
        """The present version of an entry."""
        entry, found = await service.get(database, directory, code, freshness)
        return shown(entry.model_dump(mode="json"), found, {"ETag": etag(entry.version)})

    @router.get("/{code}/versions", name=f"versions_{noun}", response_model=listing, responses=one_problems)
    async def versions(code: TheCode, database: TheDatabase, freshness: TheFreshness) -> Response:
        """All versions of an entry, newest first."""
        entries, found = await service.versions(database, directory, code, freshness)
        return shown(entries.model_dump(mode="json"), found)

"""/api/v1/audit: who did and saw what, for auditors, and for heads about their units."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app import pagination
from app.audit import repository
from app.audit.model import Kind
from app.audit.schemas import AuditEntry, ChainHead, ChainHeads
from app.fields import Moment, Opaque
from app.http import BASE, LIST_PROBLEMS, READ_PROBLEMS, StrictRoute, TheDatabase, TheFreshness, shown
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems

router = APIRouter(prefix="/audit", tags=["audit"], route_class=StrictRoute)


async def audit_filters(
    *,
    principal: Annotated[Opaque | None, Query(description="Who did or saw it")] = None,
    subject: Annotated[Opaque | None, Query(description="Of what: `customers/0198…`")] = None,
    site: Annotated[Opaque | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query(description="Before this moment")] = None,
) -> dict[str, str]:
    """Those that were given, by their names in repository.FILTERS."""
    given: dict[str, str | None] = {
        "principal": principal,
        "subject": subject,
        "site": site,
        "kind": kind,
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
    }
    return {name: value for name, value in given.items() if value is not None}


@router.get("/entries", response_model=Page[AuditEntry], responses=problems(*LIST_PROBLEMS))
async def list_entries(
    database: TheDatabase,
    freshness: TheFreshness,
    filters: Annotated[dict[str, str], Depends(audit_filters)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Sealed entries, newest first. What was done appears within seconds."""
    parameters = {**filters, "below": pagination.decode_cursor(cursor), "rows": limit + 1}
    found = await database.read(repository.page(frozenset(filters)), parameters, freshness)
    page = pagination.page(found.rows, limit, f"{BASE}/audit/entries", {"limit": str(limit), **filters})
    return shown(Page([AuditEntry.of(item.sealed) for item in page.items], page.next), found)


@router.get("/heads", response_model=ChainHeads, responses=problems(*READ_PROBLEMS))
async def list_heads(database: TheDatabase, freshness: TheFreshness) -> Response:
    """The ends of the chains, to be kept elsewhere and given to the verification."""
    found = await database.read(repository.HEADS, {}, freshness)
    return shown(ChainHeads([ChainHead.of(head) for head in found.rows]), found)

"""/api/v1/claims and /claim-kinds."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from app.claims import service
from app.claims.schemas import (
    CLAIM_KINDS,
    CLAIMS,
    Claim,
    ClaimForm,
    DecisionForm,
    DocumentForm,
    SubmitForm,
)
from app.directory import endpoints as directory
from app.http import (
    FILE,
    ONE_PROBLEMS,
    KeyedCommand,
    TheDatabase,
    TheFreshness,
    TheSettings,
    downloaded,
    written,
)
from app.problems import problems
from app.records.endpoints import CREATE_PROBLEMS, MOVE_PROBLEMS, router_of

claims = router_of(CLAIMS)
routers = (claims, directory.router_of(CLAIM_KINDS))


@claims.post("", status_code=201, response_model=Claim, responses=CREATE_PROBLEMS)
async def begin_claim(form: ClaimForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Begin a claim. Its kind says which documents it needs (`GET /claim-kinds`)."""
    return written(await service.begin(database, command, form))


@claims.post("/{record_id}/documents", response_model=Claim, responses=MOVE_PROBLEMS)
async def add_claim_document(
    record_id: UUID, form: DocumentForm, command: KeyedCommand, database: TheDatabase, settings: TheSettings
) -> Response:
    """Add a document; its content must be what its type says."""
    most = settings.claim_documents
    return written(await service.add_document(database, command, record_id, form, most=most))


@claims.get(
    "/{record_id}/documents/{document_id}",
    response_class=Response,
    responses={**problems(*ONE_PROBLEMS), **FILE},
)
async def get_claim_document(
    record_id: UUID, document_id: UUID, database: TheDatabase, freshness: TheFreshness
) -> Response:
    """The file."""
    found = await service.content(database, record_id, document_id, freshness)
    file = found.rows[0]
    return downloaded(file.name, file.media_type, file.sha256, file.content, found)


@claims.post("/{record_id}/submit", response_model=Claim, responses=MOVE_PROBLEMS)
async def submit_claim(
    record_id: UUID, form: SubmitForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Claim it. Documents that the kind requires are named if they lack; else it is routed to a manager."""
    return written(await service.submit(database, command, record_id, form.note))


@claims.post("/{record_id}/decision", response_model=Claim, responses=MOVE_PROBLEMS)
async def decide_claim(
    record_id: UUID, form: DecisionForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """What is decided on our side: accept, refuse, settle."""
    return written(await service.decide(database, command, record_id, form))

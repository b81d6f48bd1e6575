"""What can be done with claims: begin, add documents, submit (and so route), decide."""

from __future__ import annotations

from uuid import UUID

from app.claims import repository, rules
from app.claims.schemas import (
    CLAIMS,
    Claim,
    ClaimForm,
    ClaimKindForm,
    ClaimStatus,
    Decision,
    DecisionForm,
    Document,
    DocumentForm,
)
from app.database.answer import Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.errors import FieldError, invalid
from app.identity import new_id, now
from app.records import service
from app.requests import service as requests
from app.requests.attachments import Stored, content_of, digest
from app.requests.channels import Channel
from app.requests.schemas import RequestForm

KINDS = {Decision.ACCEPT: "accepted", Decision.REFUSE: "refused", Decision.SETTLE: "settled"}


async def begin(database: Database, command: Command, form: ClaimForm) -> Committed:
    """A draft: documents come one by one, then it is submitted."""

    async def make(unit: WriteUnit) -> Claim:
        kind = await _kind(unit, form.kind)
        if not kind.active:
            raise _unknown("/kind")
        if form.order_id is not None and not await repository.own_order(
            unit, form.order_id, form.customer_id
        ):
            raise invalid([FieldError("/order_id", "unknown", "the customer has no such order")])
        return Claim(
            **service.fresh(form.customer_id),
            number=await repository.next_number(unit),
            status=ClaimStatus.DRAFT,
            documents=(),
            request_id=None,
            unit=None,
            manager=None,
            resolution=None,
            **form.model_dump(exclude={"customer_id"}),
        )

    return await service.create(database, command, CLAIMS, "drafted", make)


async def _kind(unit: WriteUnit, code: str) -> ClaimKindForm:
    kind = await repository.kind(unit, code)
    if kind is None:
        raise _unknown("/kind")
    return kind


def _unknown(pointer: str) -> Exception:
    return invalid([FieldError(pointer, "unknown-code", "no active or former entry has this code")])


async def add_document(
    database: Database, command: Command, id_: UUID, form: DocumentForm, *, most: int
) -> Committed:
    """Raises ProblemError: validation for a kind or content that does not fit; wrong-state once full."""
    content = content_of(form)
    document = Document(
        id=new_id(),
        kind=form.kind,
        name=form.name,
        media_type=form.media_type,
        size=len(content),
        sha256=digest(content),
        created_at=now(),
    )

    async def change(unit: WriteUnit, claim: Claim) -> Claim:
        kind = await _kind(unit, claim.kind)
        changed = rules.with_document(claim, kind.documents, document, most)
        await repository.add_document(unit, claim, document, content)
        return changed

    return await service.change(database, command, CLAIMS, id_, change, kind="documented", note=form.kind)


async def submit(database: Database, command: Command, id_: UUID, note: str | None) -> Committed:
    """Complete claims become a request of their kind's topic, which finds the right manager."""

    async def change(unit: WriteUnit, claim: Claim) -> Claim:
        rules.require(claim, ClaimStatus.DRAFT)
        kind = await _kind(unit, claim.kind)
        missing = rules.lacking(kind.documents, claim.documents)
        if missing:
            raise invalid(missing)
        request = await requests.enter(unit, as_request(claim, kind), command.principal)
        routed = {"request_id": request.id, "unit": request.unit, "manager": request.assignee}
        return claim.model_copy(update={"status": ClaimStatus.SUBMITTED, **routed})

    return await service.change(database, command, CLAIMS, id_, change, kind="submitted", note=note)


def as_request(claim: Claim, kind: ClaimKindForm) -> RequestForm:
    """How a claim enters the desk. Pure."""
    return RequestForm(
        customer_id=claim.customer_id,
        channel=Channel.PORTAL,
        topic=kind.topic,
        subject=f"{claim.number}: {claim.subject}"[:300],
        text=claim.text,
        external_id=f"claim:{claim.id}",
    )


async def decide(database: Database, command: Command, id_: UUID, form: DecisionForm) -> Committed:
    async def change(_: WriteUnit, claim: Claim) -> Claim:
        return rules.decided(claim, form)

    kind = KINDS[form.decision]
    return await service.change(database, command, CLAIMS, id_, change, kind=kind, note=form.resolution)


async def content(database: Database, id_: UUID, document: UUID, freshness: Freshness) -> Found[Stored]:
    found = await database.read(repository.CONTENT, {"id": document, "claim_id": id_}, freshness)
    found.one("document")
    return found

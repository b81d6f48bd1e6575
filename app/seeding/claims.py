"""Invented claims with their documents, routed as requests by the engine of the desk. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from app.claims import rules
from app.claims.schemas import (
    Claim,
    ClaimForm,
    ClaimKindForm,
    ClaimStatus,
    Decision,
    DecisionForm,
    Document,
    DocumentForm,
    DocumentKind,
)
from app.claims.service import KINDS, as_request
from app.orders.schemas import Order
from app.requests import transitions
from app.requests.attachments import content_of, digest
from app.requests.schemas import CustomerRequest, Event, EventKind
from app.requests.service import as_arrived
from app.routing.engine import Decision as Assignment
from app.seeding import phrases
from app.seeding.ground import Ground, refuse
from app.seeding.story import Story, fresh, id_at

S = ClaimStatus
# How many of a hundred end how.
ENDS = {S.DRAFT: 10, S.SUBMITTED: 15, S.ACCEPTED: 15, S.REFUSED: 20, S.SETTLED: 40}
DECISIONS = {
    S.ACCEPTED: (Decision.ACCEPT,),
    S.REFUSED: (Decision.REFUSE,),
    S.SETTLED: (Decision.ACCEPT, Decision.SETTLE),
}
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Routed:
    """The request that a claim became."""

    request: CustomerRequest
    assignment: Assignment
    steps: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """`files`: the contents of the claim's documents, by their ids. A draft is routed to nobody."""

    claim: Story[Claim]
    files: tuple[tuple[Document, bytes], ...]
    routed: Routed | None


@dataclass(frozen=True, slots=True)
class Complaining:
    """Who complains about which order; `unit` keeps the contract."""

    order: Order
    number: str
    key: Sequence[object]
    buyer: str
    unit: str
    language: str


def complain(
    random: Random, ground: Ground, about: Complaining, kind: ClaimKindForm, at: datetime
) -> Complaint:
    """Raises ProblemError where the base's kinds of claims do not allow it."""
    end = random.choices(tuple(ENDS), tuple(ENDS.values()))[0]
    story, files = _documented(_begun(about, kind, at), about, kind)
    if end is S.DRAFT:
        return Complaint(story, files, None)
    refuse(rules.lacking(kind.documents, story.record.documents))
    submitted = story.record.changed_at + HOUR
    request, assignment = _request(ground, story.record, kind, about.unit, submitted)
    routed = {"request_id": request.id, "unit": request.unit, "manager": request.assignee}
    claim = story.record.model_copy(update={"status": S.SUBMITTED, **routed})
    story = story.then(claim, "submitted", submitted, about.buyer)
    operator = request.assignee or about.unit
    story = _decided(story, DECISIONS.get(end, ()), operator)
    steps = (Event(1, EventKind.REGISTERED, submitted, about.buyer, None),)
    if end is S.SUBMITTED:
        ground.desk.keep(request.assignee)
        return Complaint(story, files, Routed(request, assignment, steps))
    return Complaint(story, files, _closed(Routed(request, assignment, steps), story.record, operator))


def _begun(about: Complaining, kind: ClaimKindForm, at: datetime) -> Story[Claim]:
    subject, text = phrases.CLAIMS[kind.about][about.language]
    form = ClaimForm(
        customer_id=about.order.customer_id,
        kind=kind.code,
        order_id=about.order.id,
        subject=subject,
        text=text,
    )
    claim = Claim(
        **fresh(at, about.order.customer_id, *about.key),
        number=about.number,
        status=S.DRAFT,
        documents=(),
        request_id=None,
        unit=None,
        manager=None,
        resolution=None,
        **form.model_dump(exclude={"customer_id"}),
    )
    return Story.begun(claim, "drafted", about.buyer)


def _documented(
    story: Story[Claim], about: Complaining, kind: ClaimKindForm
) -> tuple[Story[Claim], tuple[tuple[Document, bytes], ...]]:
    files: list[tuple[Document, bytes]] = []
    for wanted in kind.documents:
        if not wanted.required:
            continue
        at = story.record.changed_at + timedelta(minutes=5)
        document, content = _document(about, wanted, at)
        changed = rules.with_document(story.record, kind.documents, document, len(kind.documents))
        story = story.then(changed, "documented", at, about.buyer, wanted.code)
        files.append((document, content))
    return story, tuple(files)


def _document(about: Complaining, wanted: DocumentKind, at: datetime) -> tuple[Document, bytes]:
    """A file that shows by its content what it is, as every attachment has to."""
    text = f"%PDF-1.7\n% invented: {wanted.code} of {about.number}, order {about.order.number}\n%%EOF\n"
    form = DocumentForm(
        kind=wanted.code,
        name=f"{wanted.code}.pdf",
        media_type="application/pdf",
        content=base64.b64encode(text.encode()).decode(),
    )
    content = content_of(form)
    return (
        Document(
            id=id_at(at, *about.key, wanted.code),
            kind=form.kind,
            name=form.name,
            media_type=form.media_type,
            size=len(content),
            sha256=digest(content),
            created_at=at,
        ),
        content,
    )


def _request(
    ground: Ground, claim: Claim, kind: ClaimKindForm, unit: str, at: datetime
) -> tuple[CustomerRequest, Assignment]:
    setting = ground.settings[kind.topic]
    assignment = ground.desk.assign(setting, unit)
    arrived = as_arrived(
        as_request(claim, kind), setting, assignment, id_=id_at(at, claim.id, "request"), at=at
    )
    return arrived, assignment


def _decided(story: Story[Claim], decisions: Sequence[Decision], actor: str) -> Story[Claim]:
    for decision in decisions:
        form = DecisionForm(decision=decision, resolution=phrases.RESOLUTIONS[decision.value])
        at = story.record.changed_at + 20 * HOUR
        story = story.then(rules.decided(story.record, form), KINDS[decision], at, actor, form.resolution)
    return story


def _closed(routed: Routed, claim: Claim, operator: str) -> Routed:
    """Taken an hour after it came, closed with the decision on the claim."""
    taken_at, closed_at = routed.request.created_at + HOUR, claim.changed_at
    taken = transitions.taken(routed.request, operator, taken_at)
    closed = transitions.closed(taken, claim.resolution or "", closed_at, None)
    later = (
        Event(taken.version, EventKind.TAKEN, taken_at, operator, None),
        Event(closed.version, EventKind.CLOSED, closed_at, operator, None),
    )
    return Routed(closed, routed.assignment, (*routed.steps, *later))

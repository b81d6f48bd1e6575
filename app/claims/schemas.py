"""Claims of customers, and the kinds that say which documents they need and who gets them (S6)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Form, Long, Short
from app.records.model import Filter, Noun, Record
from app.requests.attachments import AttachmentForm


class About(StrEnum):
    QUALITY = "quality"
    QUANTITY = "quantity"
    DELIVERY = "delivery"


class DocumentKind(Form):
    code: Code
    title: Localized
    required: bool = True


class ClaimKindForm(Entry):
    """`topic`: by its queue, line and skill the claim is routed, like any request."""

    title: Localized
    about: About
    topic: Code
    documents: Annotated[tuple[DocumentKind, ...], Field(max_length=30)] = ()


CLAIM_KINDS = Directory("claim-kinds", "crm.claim_kind", ClaimKindForm)


class ClaimStatus(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SETTLED = "settled"


class ClaimForm(Form):
    customer_id: UUID
    kind: Code
    order_id: UUID | None = None
    subject: Short
    text: Long


class DocumentForm(AttachmentForm):
    """`kind`: which of the documents of the claim's kind it is."""

    kind: Code


class SubmitForm(Form):
    note: Short | None = None


class Decision(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"
    SETTLE = "settle"


class DecisionForm(Form):
    decision: Decision
    resolution: Short


class Document(Form):
    """A file of a claim. `sha256` in hexadecimal, `size` in bytes."""

    id: UUID
    kind: str
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime


class Claim(Record):
    """`manager` and `unit`: whom it was routed to; `request_id`: as what."""

    number: str
    status: ClaimStatus
    kind: str
    order_id: UUID | None
    subject: str
    text: str
    documents: tuple[Document, ...]
    request_id: UUID | None
    unit: str | None
    manager: str | None
    resolution: str | None

    @property
    def state(self) -> str:
        return self.status


class ClaimFilter(Filter):
    status: ClaimStatus | None = None
    kind: Code | None = None
    order_id: UUID | None = None
    manager: Short | None = None
    number: Short | None = None


CLAIMS = Noun(
    "claims",
    "claim",
    "claim",
    "crm.claim",
    Claim,
    ClaimFilter,
    {
        "drafted": "a customer began a claim",
        "documented": "a document was added to a claim",
        "submitted": "a customer claims; it was routed to a manager",
        "accepted": "a claim was found justified",
        "refused": "a claim was refused",
        "settled": "what was claimed was made good",
    },
)

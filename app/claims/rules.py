"""The life of a claim, and the documents that it lacks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.claims.schemas import Claim, ClaimStatus, Decision, DecisionForm, Document, DocumentKind
from app.errors import FieldError, Problem, ProblemError, invalid
from app.language.said import said

S = ClaimStatus
# Decision: from where, and where to.
DECIDED: Mapping[Decision, tuple[ClaimStatus, ClaimStatus]] = {
    Decision.ACCEPT: (S.SUBMITTED, S.ACCEPTED),
    Decision.REFUSE: (S.SUBMITTED, S.REFUSED),
    Decision.SETTLE: (S.ACCEPTED, S.SETTLED),
}


def require(claim: Claim, status: ClaimStatus) -> None:
    if claim.status is not status:
        raise ProblemError(Problem.WRONG_STATE, "the claim is in another state", state=claim.status)


def lacking(kinds: Sequence[DocumentKind], documents: Sequence[Document]) -> list[FieldError]:
    """Documents that the claim's kind requires and that are not there."""
    given = {document.kind for document in documents}
    return [
        FieldError(f"/documents/{kind.code}", "document-required", "this kind of claim needs the document")
        for kind in kinds
        if kind.required and kind.code not in given
    ]


def with_document(claim: Claim, kinds: Sequence[DocumentKind], document: Document, most: int) -> Claim:
    """A document of the same kind does not replace one: both stay, as both were handed in. `most`: in all."""
    require(claim, S.DRAFT)
    if len(claim.documents) >= most:
        detail = said("a claim holds {most} documents at most", most=most)
        raise ProblemError(Problem.WRONG_STATE, detail, state="full")
    if document.kind not in {kind.code for kind in kinds}:
        raise invalid([FieldError("/kind", "unknown-code", "this kind of claim has no such document")])
    return claim.model_copy(update={"documents": (*claim.documents, document)})


def decided(claim: Claim, form: DecisionForm) -> Claim:
    before, after = DECIDED[form.decision]
    require(claim, before)
    return claim.model_copy(update={"status": after, "resolution": form.resolution})

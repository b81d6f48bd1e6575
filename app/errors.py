"""Everything that can go wrong towards a client: one table, one exception, no HTTP machinery.

`app.problems` turns a `ProblemError` into an RFC 9457 answer and documents the table in OpenAPI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `retry` adds Retry-After: the same request may succeed soon."""

    code: str
    status: int
    title: str
    retry: bool = False


class Problem(Enum):
    """All kinds, by the code a client branches on."""

    MALFORMED = Kind("malformed", 400, "The request cannot be read")
    KEY_MISSING = Kind("idempotency-key-missing", 400, "Idempotency-Key is required")
    KEY_INVALID = Kind("idempotency-key-invalid", 400, "Idempotency-Key is not usable")
    CURSOR_INVALID = Kind("cursor-invalid", 400, "The cursor was not made by this API")
    UNAUTHENTICATED = Kind("unauthenticated", 401, "Who is asking is not known")
    FORBIDDEN = Kind("forbidden", 403, "It is not yours to do")
    NOT_FOUND = Kind("not-found", 404, "There is no such thing here")
    METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "The resource does not do that")
    DUPLICATE_CUSTOMER = Kind("duplicate-customer", 409, "The customer has a card already")
    ALREADY_EXISTS = Kind("already-exists", 409, "It exists already")
    WRONG_STATE = Kind("wrong-state", 409, "The present state does not allow it")
    INSUFFICIENT_POINTS = Kind("insufficient-points", 409, "There are not as many points")
    TRANSACTION_CONFLICT = Kind("transaction-conflict", 409, "The transaction is known, with other content")
    KEY_IN_PROGRESS = Kind(
        "idempotency-key-in-progress", 409, "The first request is still being worked on", True
    )
    CURSOR_LOST = Kind("cursor-lost", 410, "What the cursor stands on is gone")
    VERSION_MISMATCH = Kind("version-mismatch", 412, "It was changed in the meantime")
    BODY_TOO_LARGE = Kind("body-too-large", 413, "The body is too large")
    UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, "The body must be application/json")
    VALIDATION = Kind("validation", 422, "The request does not fit its description")
    KEY_REUSED = Kind("idempotency-key-reused", 422, "Idempotency-Key was used for another request")
    UNKNOWN_CUSTOMER = Kind("unknown-customer", 422, "There is no such customer")
    IF_MATCH_MISSING = Kind("if-match-missing", 428, "If-Match is required")
    TOO_MANY_ATTEMPTS = Kind("too-many-attempts", 429, "Too many attempts; wait", True)
    TOO_MANY_REQUESTS = Kind("too-many-requests", 429, "More requests than one may send; wait", True)
    INTERNAL = Kind("internal", 500, "The server made a mistake")
    NO_PRIMARY = Kind("no-primary", 503, "No primary database can be reached; nothing was done", True)
    NO_REMOTE_COPY = Kind("no-remote-copy", 503, "No other site has a copy; nothing was done", True)
    NO_DATABASE = Kind("no-database", 503, "No database can be reached; nothing was done", True)
    DATABASE_BUSY = Kind("database-busy", 503, "The database is busy; nothing was done", True)
    CARDS_CLOSED = Kind("cards-not-configured", 503, "Card numbers cannot be handled here", True)
    OVERLOADED = Kind("overloaded", 503, "Too many requests are waiting; nothing was done", True)
    OUTCOME_UNKNOWN = Kind(
        "outcome-unknown", 503, "Whether it was done is not known; repeat with the same key", True
    )


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `pointer`: a JSON pointer into the body, `?name`, or `header:Name`."""

    pointer: str
    code: str
    detail: str


class ProblemError(Exception):
    """Raised anywhere below an endpoint; becomes the answer.

    `existing` points to what is there already, `state` says which state stands in the way, `retry_after` in
    how many seconds it may be tried again.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        existing: str | None = None,
        state: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{problem.value.code}: {detail}")
        self.problem = problem
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.members: Mapping[str, str] = {
            name: value for name, value in (("existing", existing), ("state", state)) if value is not None
        }


def invalid(errors: Sequence[FieldError]) -> ProblemError:
    """A 422 that names every wrong field."""
    detail = "; ".join(f"{error.pointer.lstrip('/')}: {error.detail}" for error in errors[:5])
    return ProblemError(Problem.VALIDATION, detail, errors=errors)


def not_found(what: str) -> ProblemError:
    return ProblemError(Problem.NOT_FOUND, f"no {what} with this id")

"""Problem details (RFC 9457): the one handler for every error, and their description in OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.cards.numbers import without_numbers
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError
from app.language.catalogue import translate, wanted

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1  # the house replaces a primary in about that time

# What the framework says by status alone.
BY_STATUS = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED, 413: Problem.BODY_TOO_LARGE}
# Required headers whose absence or form has a status of its own: (when missing, when wrong).
BY_HEADER = {
    "idempotency-key": (Problem.KEY_MISSING, Problem.KEY_INVALID),
    "if-match": (Problem.IF_MATCH_MISSING, Problem.VALIDATION),
}


class FieldProblem(BaseModel):
    """One wrong field."""

    pointer: str = Field(description="JSON pointer into the body, `?name` of the query, or `header:Name`")
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457, with `code` to branch on."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    errors: list[FieldProblem] = []
    existing: str | None = Field(None, description="Address of what is there already")
    retry_after: int | None = Field(None, description="Seconds, as the header says too")
    state: str | None = Field(None, description="The state that stands in the way")


def problem_response(scope: Scope, error: ProblemError) -> Response:
    kind = error.problem.value
    language = wanted(Headers(scope=scope).get("accept-language"))
    content: dict[str, Any] = {
        "type": f"urn:twinsite:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": error.detail,
        "instance": without_numbers(scope["path"]),
        "request_id": scope.get("state", {}).get("request_id", ""),
        **error.members,
    }
    if error.retry_after is not None:
        content["retry_after"] = error.retry_after
    if error.errors:
        content["errors"] = error.errors
    headers = {"Retry-After": str(error.retry_after or RETRY_AFTER_SECONDS)} if kind.retry else {}
    headers["Vary"] = "Accept-Language"
    if language is not None:
        headers["Content-Language"] = language
        content |= in_language(error, language)
    return Response(encode(content), kind.status, headers, MEDIA_TYPE)


def in_language(error: ProblemError, language: str) -> dict[str, Any]:
    """What of a problem is said to people; its codes stay as they are."""
    fields = [replace(each, detail=translate(each.detail, language)) for each in error.errors]
    named = "; ".join(f"{each.pointer.lstrip('/')}: {each.detail}" for each in fields[:5])
    said = {
        "title": translate(error.problem.value.title, language),
        "detail": named or translate(error.detail, language),
    }
    return {**said, "errors": fields} if fields else said


def problems(*kinds: Problem) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint for these problems, one entry a status, codes in its description."""
    by_status: dict[int, list[Problem]] = {}
    for kind in kinds:
        by_status.setdefault(kind.value.status, []).append(kind)
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {
            "description": "; ".join(f"`{kind.value.code}`: {kind.value.title}" for kind in group),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, group in sorted(by_status.items())
    }


# What an endpoint may raise to be answered; the rest is unforeseen.
ANSWERED = (ProblemError, RequestValidationError, HTTPException)


def install(app: FastAPI) -> None:
    """Register the handler for everything that can be raised."""
    for kind in (*ANSWERED, Exception):
        app.add_exception_handler(kind, handle)


async def handle(request: Request, error: Exception) -> Response:
    return problem_response(request.scope, to_problem(error))


def to_problem(error: Exception) -> ProblemError:
    """The problem that an exception stands for; anything unforeseen is logged and shown as a plain 500."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RequestValidationError):
        return _from_validation(error.errors())
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, ProblemError):  # FastAPI wraps what reading the body raised
            return error.__cause__
        problem = BY_STATUS.get(error.status_code, Problem.MALFORMED)
        return ProblemError(problem, error.detail or HTTPStatus(error.status_code).phrase)
    log.error("unforeseen", exc_info=error)
    return ProblemError(Problem.INTERNAL, "unforeseen error; report the request_id")


def _from_validation(found: Iterable[Mapping[str, Any]]) -> ProblemError:
    errors = [FieldError(pointer(item["loc"]), _code(item), str(item["msg"])) for item in found]
    for item, error in zip(found, errors, strict=True):
        where, name = (*map(str, item["loc"]), "", "")[:2]
        if where == "header" and name.lower() in BY_HEADER:
            missing, wrong = BY_HEADER[name.lower()]
            return ProblemError(
                missing if item["type"] == "missing" else wrong, f"{name}: {error.detail}", errors=[error]
            )
        if item["type"] == "json_invalid":
            return ProblemError(
                Problem.MALFORMED, "the body is not valid JSON (UTF-8, no NaN)", errors=[error]
            )
    detail = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:5])
    return ProblemError(Problem.VALIDATION, detail, errors=errors)


def _code(item: Mapping[str, Any]) -> str:
    return str(item["type"]).replace("_", "-")


def pointer(location: Sequence[str | int]) -> str:
    """FastAPI's `("body", "contacts", 0, "value")` as `/contacts/0/value`; others as in FieldProblem."""
    where, *path = location
    if where == "body":
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    if where == "query":
        return "?" + ".".join(map(str, path))
    return f"{where}:" + ".".join(map(str, path))

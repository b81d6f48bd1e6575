from __future__ import annotations

import json

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.errors import FieldError, Problem, ProblemError, invalid
from app.problems import pointer, problem_response, to_problem

SCOPE = {"path": "/api/v1/customers", "state": {"request_id": "r-1"}, "headers": []}


def test_a_problem_is_answered_as_rfc_9457_says():
    error = ProblemError(Problem.DUPLICATE_CUSTOMER, "exists", existing="/api/v1/customers/1")
    answer = problem_response(SCOPE, error)
    assert (answer.status_code, answer.media_type) == (409, "application/problem+json")
    assert json.loads(answer.body) == {
        "type": "urn:twinsite:problem:duplicate-customer",
        "title": "The customer has a card already",
        "status": 409,
        "code": "duplicate-customer",
        "detail": "exists",
        "instance": "/api/v1/customers",
        "request_id": "r-1",
        "existing": "/api/v1/customers/1",
    }


@pytest.mark.parametrize("problem", list(Problem))
def test_every_503_says_when_to_come_back_and_every_code_is_one_word(problem):
    answer = problem_response(SCOPE, ProblemError(problem, "…"))
    assert ("retry-after" in answer.headers) is problem.value.retry
    assert problem.value.retry or answer.status_code != 503
    assert problem.value.code == problem.value.code.lower().replace(" ", "-")


def test_codes_are_unique():
    assert len({problem.value.code for problem in Problem}) == len(Problem)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (("body", "contacts", 0, "value"), "/contacts/0/value"),
        (("body", "a/b~c"), "/a~1b~0c"),
        (("body",), ""),
        (("query", "limit"), "?limit"),
        (("header", "If-Match"), "header:If-Match"),
    ],
)
def test_a_location_becomes_a_pointer(location, expected):
    assert pointer(location) == expected


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"type": "missing", "loc": ("header", "Idempotency-Key")}, Problem.KEY_MISSING),
        ({"type": "string_pattern_mismatch", "loc": ("header", "Idempotency-Key")}, Problem.KEY_INVALID),
        ({"type": "missing", "loc": ("header", "If-Match")}, Problem.IF_MATCH_MISSING),
        ({"type": "json_invalid", "loc": ("body", 0)}, Problem.MALFORMED),
        ({"type": "missing", "loc": ("body", "name")}, Problem.VALIDATION),
    ],
)
def test_what_the_framework_refuses_gets_our_code(found, problem):
    assert to_problem(RequestValidationError([{**found, "msg": "…"}])).problem is problem


def test_a_problem_that_the_framework_wrapped_is_unwrapped():
    wrapped = HTTPException(400)
    wrapped.__cause__ = invalid([FieldError("/a", "repeated", "twice")])
    assert to_problem(wrapped) is wrapped.__cause__


def test_the_unforeseen_shows_nothing_of_itself():
    problem = to_problem(RuntimeError("secret"))
    assert problem.problem is Problem.INTERNAL
    assert "secret" not in problem.detail

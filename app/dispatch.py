"""Requests straight to their endpoints: which, and with what, is worked out once, when the process starts.

FastAPI describes the routes, and words what is wrong with a request. What it does besides for each request
(it tries the path on every route declared before, twice, and solves the tree of dependencies anew inside
three exit stacks) costs more than the query that the request is about (docs/measurements.md). So a request
that is in order is recognised here. Every other one (no such path or method, a field that is missing or
wrong) goes on to FastAPI as if this were not here, and FastAPI says what it always says.

Routes that need more of FastAPI than the parameters below are left to it altogether.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from re import Pattern
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, params
from fastapi.dependencies.models import Dependant
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Problem, ProblemError
from app.http import StrictRequest, StrictRoute, header_of
from app.problems import ANSWERED, problem_response, to_problem

BASE_SEGMENTS = 3  # of BASE, the empty one before its first slash included
MANY = (list, tuple, set, frozenset, Sequence, AbstractSet)
NEEDS_FASTAPI = (
    "cookie_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "own_oauth_scopes",
    "concurrency",
)


class UnfitError(Exception):
    """The request is not in order, or not simple enough; FastAPI has to see it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of the path, the query or the header. `validate` returns the value, and errors."""

    name: str
    key: str
    validate: Callable[[Any], tuple[Any, Sequence[Any]]]
    required: bool
    default: object

    def of(self, given: Mapping[str, str] | _Headers) -> object:
        """Raises UnfitError."""
        text = given.get(self.key)
        if text is None:
            if self.required:
                raise UnfitError
            return self.default
        value, errors = self.validate(text)
        if errors:
            raise UnfitError
        return value


@dataclass(slots=True)
class Step:
    """A function to call (a dependency, at last the endpoint) and where each argument comes from."""

    call: Callable[..., Awaitable[Any]]
    request: str | None
    path: Sequence[Field]
    query: Sequence[Field]
    header: Sequence[Field]
    body: Field | None
    uses: list[tuple[str, int]] = field(default_factory=list)  # results of earlier steps

    def arguments(self, incoming: _Incoming, results: Sequence[Any]) -> dict[str, Any]:
        """Raises UnfitError."""
        values = {name: results[number] for name, number in self.uses}
        for each in self.path:
            values[each.name] = each.of(incoming.path)
        for each in self.query:
            values[each.name] = each.of(incoming.query)
        for each in self.header:
            values[each.name] = each.of(incoming.header)
        if self.body is not None:
            value, errors = self.body.validate(incoming.body)
            if errors:
                raise UnfitError
            values[self.body.name] = value
        if self.request is not None:
            values[self.request] = incoming.request
        return values


class _Headers:
    """Of a name that is given twice, the first, as in Starlette. Few are asked for: each is looked for."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def get(self, name: str) -> str | None:
        return header_of(self._scope, name.encode("latin-1"))


class _Incoming:
    """What the fields of one request are taken from."""

    __slots__ = ("_query", "body", "header", "path", "request")

    def __init__(self, request: StrictRequest, path: Mapping[str, str]) -> None:
        self.request = request
        self.path = path
        self.body: object = None
        self.header = _Headers(request.scope)
        self._query: Mapping[str, str] | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """Of a name that is given twice, the last, as in Starlette."""
        if self._query is None:
            text = self.request.scope["query_string"].decode("latin-1")
            self._query = dict(parse_qsl(text, keep_blank_values=True)) if text else {}
        return self._query


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route: its path as a pattern, and the steps to its answer."""

    route: StrictRoute
    template: str
    pattern: Pattern[str]
    steps: Sequence[Step]
    has_body: bool

    async def answer(self, request: StrictRequest, path: Mapping[str, str]) -> Response:
        """Raises UnfitError before the endpoint is called; whatever a dependency or the endpoint raises."""
        incoming = _Incoming(request, path)
        if self.has_body:
            incoming.body = await _json(request)
        results: list[Any] = []
        for step in self.steps:
            results.append(await step.call(**step.arguments(incoming, results)))
        response: Response = results[-1]
        return response


async def _json(request: StrictRequest) -> object:
    """Raises UnfitError for no body, or one that is not JSON."""
    if not await request.body():
        raise UnfitError
    try:
        return await request.json()
    except ValueError:
        raise UnfitError from None


def compiled(routers: Iterable[APIRouter], prefix: str) -> list[Endpoint]:
    """The endpoints of all routes that need nothing else of FastAPI, in their order."""
    routes = (route for router in routers for route in router.routes)
    made = (_compile(route, prefix) for route in routes if isinstance(route, StrictRoute))
    return [endpoint for endpoint in made if endpoint is not None]


def _compile(route: StrictRoute, prefix: str) -> Endpoint | None:
    answers = typing.get_type_hints(route.endpoint).get("return")
    if not (isinstance(answers, type) and issubclass(answers, Response)):
        return None
    if route.body_field is not None and type(route.body_field.field_info) is not params.Body:
        return None
    steps: list[Step] = []
    if _add(route.dependant, steps, {}) is None:
        return None
    template = f"{prefix}{route.path}"
    pattern, _, _ = compile_path(template)
    return Endpoint(route, template, pattern, steps, route.body_field is not None)


def _add(dependant: Dependant, steps: list[Step], known: dict[object, int]) -> int | None:
    """The number of the step that gives what it stands for, after those it needs; None: FastAPI's."""
    if dependant.call in known:
        return known[dependant.call]
    if not _is_simple(dependant):
        return None
    uses: list[tuple[str, int]] = []
    for needed in dependant.dependencies:
        number = _add(needed, steps, known)
        if number is None or needed.name is None:
            return None
        uses.append((needed.name, number))
    step = _step(dependant, uses)
    if step is None:
        return None
    steps.append(step)
    known[dependant.call] = len(steps) - 1
    return known[dependant.call]


def _is_simple(dependant: Dependant) -> bool:
    return (
        dependant.use_cache
        and inspect.iscoroutinefunction(dependant.call)
        and len(dependant.body_params) <= 1
        and not any(getattr(dependant, name) for name in NEEDS_FASTAPI)
    )


def _step(dependant: Dependant, uses: list[tuple[str, int]]) -> Step | None:
    groups = [
        [_field(each) for each in found]
        for found in (dependant.path_params, dependant.query_params, dependant.header_params)
    ]
    body = [_field(each) for each in dependant.body_params]
    if dependant.call is None or any(each is None for group in (*groups, body) for each in group):
        return None
    path, query, header = ([each for each in group if each is not None] for group in groups)
    return Step(
        dependant.call, dependant.request_param_name, path, query, header, body[0] if body else None, uses
    )


def _field(described: Any) -> Field | None:
    """From FastAPI's ModelField. None for one that takes several values, or has a changeable default."""
    info = described.field_info
    default = None if info.is_required() else described.default
    is_body = isinstance(info, params.Body)
    if (not is_body and _takes_many(info.annotation)) or info.validate_default or not _is_fixed(default):
        return None
    key = described.alias.lower() if isinstance(info, params.Header) else described.alias
    return Field(described.name, key, described.validate, info.is_required(), default)


def _takes_many(annotation: object) -> bool:
    many = typing.get_origin(annotation) or annotation
    return many in MANY or any(_takes_many(part) for part in typing.get_args(annotation))


def _is_fixed(default: object) -> bool:
    try:
        hash(default)
    except TypeError:
        return False
    return True


class Dispatch:
    """The innermost of our layers. An endpoint is looked for among those of its method and kind of path."""

    def __init__(self, app: ASGIApp, endpoints: Iterable[Endpoint]) -> None:
        self._app = app
        self._endpoints: dict[tuple[str, str, int], list[Endpoint]] = {}
        for endpoint in endpoints:
            for method in endpoint.route.methods or ():
                self._endpoints.setdefault(_kind(method, endpoint.template), []).append(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        endpoint, path = found
        scope["route"], scope["path_params"], scope["template"] = endpoint.route, path, endpoint.template
        request = StrictRequest(scope, receive, send)
        try:
            response = await endpoint.answer(request, path)
        except UnfitError:
            await self._app(scope, _again(await request.body(), receive), send)
            return
        except ANSWERED as error:
            response = problem_response(scope, to_problem(error))
        except ClientDisconnect:
            response = problem_response(scope, ProblemError(Problem.MALFORMED, "the body ended early"))
        await response(scope, receive, send)

    def find(self, scope: Scope) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint, and the parameters of its path. None is for FastAPI to explain."""
        path = scope["path"]
        if scope.get("root_path"):
            return None
        for endpoint in self._endpoints.get(_kind(scope["method"], path), ()):
            if match := endpoint.pattern.match(path):
                return endpoint, match.groupdict()
        return None


def _kind(method: str, path: str) -> tuple[str, str, int]:
    """By the first segment below the base, which no route has as a parameter, and how many there are."""
    segments = path.split("/")
    return method, segments[3] if len(segments) > BASE_SEGMENTS else "", len(segments)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then whatever comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again

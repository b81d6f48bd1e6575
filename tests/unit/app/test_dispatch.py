from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Query
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, QueryParams
from starlette.routing import compile_path
from starlette.types import Message, Scope

from app import dispatch
from app.dispatch import Dispatch, compiled
from app.http import BASE, StrictRequest, StrictRoute
from app.main import SLICES

# These take one parameter several times, which FastAPI knows how to read.
LEFT_TO_FASTAPI = {("GET", "/events")}
ENDPOINTS = compiled(SLICES, BASE)


def declared() -> Iterator[APIRoute]:
    for router in SLICES:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield route


def scope_of(method: str, path: str, **more: object) -> Scope:
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], **more}


async def nowhere(*_: object) -> None:
    raise AssertionError("a request that is found is not passed on")


def test_all_routes_but_those_named_are_served_directly() -> None:
    strict = {
        (m, route.path) for route in declared() if isinstance(route, StrictRoute) for m in route.methods
    }
    direct = {(m, each.route.path) for each in ENDPOINTS for m in each.route.methods}
    assert strict - direct == LEFT_TO_FASTAPI
    assert len(direct) > 200


@pytest.mark.parametrize("route", [*declared()], ids=lambda route: f"{min(route.methods)} {route.path}")
def test_a_request_goes_where_the_first_route_that_matches_would_take_it(route: APIRoute) -> None:
    (method,) = route.methods
    path = BASE + route.path.replace("{", "").replace("}", "")
    matching = (
        each
        for each in declared()
        if method in each.methods and compile_path(BASE + each.path)[0].match(path)
    )
    first = next(matching)
    found = Dispatch(nowhere, ENDPOINTS).find(scope_of(method, path))
    if found is None:
        assert not isinstance(first, StrictRoute) or (method, first.path) in LEFT_TO_FASTAPI
    else:
        assert found[0].route is first
        assert found[1] == {name: name for name in first.param_convertors}


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("GET", f"{BASE}/no-such-thing"),
        scope_of("GET", f"{BASE}/customers/"),
        scope_of("DELETE", f"{BASE}/customers"),
        scope_of("GET", "/health/live"),
        scope_of("GET", "/"),
        scope_of("GET", f"/mounted{BASE}/customers", root_path="/mounted"),
    ],
    ids=lambda scope: f"{scope['method']} {scope['path']}",
)
def test_what_is_no_endpoint_is_left_to_fastapi(scope: Scope) -> None:
    assert Dispatch(nowhere, ENDPOINTS).find(scope) is None


def test_repeated_parameters_are_read_as_starlette_reads_them() -> None:
    query = b"limit=1&limit=2&empty=&name=%D0%B0+b"
    headers = [(b"if-match", b'"1"'), (b"if-match", b'"2"'), (b"x-\xe9", b"\xff")]
    scope = scope_of("GET", "/", query_string=query, headers=headers)
    incoming = dispatch._Incoming(StrictRequest(scope), {})
    assert incoming.query == dict(QueryParams(query))
    for name in ("if-match", "x-é", "x-none"):
        assert incoming.header.get(name) == Headers(scope=scope).get(name)


def odd_routes() -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.get("/value")
    async def value() -> dict[str, str]:
        return {}

    @router.get("/many")
    async def many(tags: Annotated[list[str] | None, Query()] = None) -> dispatch.Response:
        return dispatch.Response(str(tags))

    return router


def test_what_fastapi_has_to_serialise_or_gather_is_left_to_it() -> None:
    assert compiled([odd_routes()], "") == []


async def test_a_body_that_was_read_is_there_again_for_fastapi() -> None:
    router = APIRouter(route_class=StrictRoute)

    @router.post(f"{BASE}/numbers")
    async def numbers(number: dict[str, int]) -> dispatch.Response:
        raise AssertionError(f"{number} is not in order")

    app = FastAPI()
    app.include_router(router)
    sent: list[Message] = []
    body = iter([{"type": "http.request", "body": b'{"a": "no number"}', "more_body": False}])

    async def receive() -> Message:
        return next(body)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = scope_of("POST", f"{BASE}/numbers", headers=[(b"content-type", b"application/json")])
    await Dispatch(app, compiled([router], ""))(scope, receive, send)
    assert sent[0]["status"] == 422
    assert b"int_parsing" in sent[1]["body"]

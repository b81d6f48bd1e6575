"""What the API is given is read by the house's types wherever pydantic alone takes more than is described."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import pytest
from fastapi.dependencies.models import Dependant
from pydantic import AwareDatetime, TypeAdapter

from app import health
from app.fields import Day, Moment
from app.main import SLICES
from app.signin import endpoints as signin_endpoints

# pydantic reads numbers, and texts of digits, as each of these.
LOOSE = {"date", "datetime", "time", "timedelta"}
ROUTERS = (*SLICES, signin_endpoints.router, health.router)
ROUTES = [route for router in ROUTERS for route in router.routes]


def is_guard(schema: dict[str, Any]) -> bool:
    """Whether it is the house's look at what is given, before pydantic's."""
    function = schema.get("function")
    called = function.get("function") if isinstance(function, dict) else None
    return schema.get("type") == "function-before" and getattr(called, "__module__", "") == "app.fields"


def bare(schema: Any, where: str = "") -> Iterator[str]:
    """Where in pydantic's schema of an input something loose stands by itself."""
    if isinstance(schema, dict) and not is_guard(schema):
        if schema.get("type") in LOOSE:
            yield f"{where}: {schema['type']}"
        for name, part in schema.items():
            yield from bare(part, f"{where}/{name}")
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from bare(part, where)


def inputs(dependant: Dependant) -> Iterator[Any]:
    for kind in ("path", "query", "header", "cookie", "body"):
        yield from getattr(dependant, f"{kind}_params")
    for each in dependant.dependencies:
        yield from inputs(each)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_no_input_has_a_bare_date_or_datetime(route):
    for given in inputs(route.dependant):
        adapter = TypeAdapter(Annotated[given.field_info.annotation, given.field_info])
        assert list(bare(adapter.core_schema)) == [], given.name


@pytest.mark.parametrize("kind", [date, datetime, time, timedelta, AwareDatetime])
def test_the_walk_tells_bare_ones_from_ours(kind):
    assert list(bare(TypeAdapter(list[tuple[kind | None, ...]]).core_schema))
    assert not list(bare(TypeAdapter(list[Day | Moment | None]).core_schema))

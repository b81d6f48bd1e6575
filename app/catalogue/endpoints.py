"""/api/v1/catalogue, and /catalogue-products, the directory behind it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from app.catalogue.repository import CATALOGUE
from app.catalogue.schemas import FACETS, PRODUCTS, Catalogue, CatalogueFilter
from app.directory import endpoints as directory
from app.http import BASE, LIST_PROBLEMS, StrictRoute, TheDatabase, TheFreshness, shown
from app.identity import now
from app.problems import problems

catalogue = APIRouter(prefix="/catalogue", tags=["catalogue"], route_class=StrictRoute)
routers = (catalogue, directory.router_of(PRODUCTS))


@catalogue.get("", response_model=Catalogue, responses=problems(*LIST_PROBLEMS))
async def get_catalogue(
    wanted: Annotated[CatalogueFilter, Query()], database: TheDatabase, freshness: TheFreshness
) -> Response:
    """What the contracts within reach allow to be ordered now, with the number of products by facet."""
    chosen = {facet: list(getattr(wanted, facet)) for facet in FACETS}
    parameters = {
        **chosen,
        "contract_id": wanted.contract_id,
        "today": now().date(),
        "after": wanted.after or "",
        "rows": wanted.limit + 1,
    }
    found = await database.read(CATALOGUE, parameters, freshness)
    assert found.first is not None
    items, facets = found.first
    page, following = items[: wanted.limit], None
    if len(items) > wanted.limit:
        query = wanted.model_dump(mode="json", exclude_defaults=True) | {"after": page[-1].product}
        following = f"{BASE}/catalogue?{urlencode(query, doseq=True)}"
    return shown(Catalogue(page, dict(facets), following), found)

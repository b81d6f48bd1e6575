"""/api/v1/catalogue, and /catalogue-products, the directory behind it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.access.principal import Principal
from app.catalogue.repository import MOST_CONTRACTS, OF_CONTRACT, OF_CUSTOMER, Found
from app.catalogue.schemas import FACETS, PRODUCTS, Catalogue, CatalogueFilter
from app.directory import endpoints as directory
from app.errors import FieldError, invalid
from app.http import BASE, LIST_PROBLEMS, StrictRoute, TheDatabase, TheFreshness, shown
from app.identity import now
from app.language.said import said
from app.problems import problems
from app.security import CurrentPrincipal

catalogue = APIRouter(prefix="/catalogue", tags=["catalogue"], route_class=StrictRoute)
routers = (catalogue, directory.router_of(PRODUCTS))


@catalogue.get("", response_model=Catalogue, responses=problems(*LIST_PROBLEMS))
async def get_catalogue(
    wanted: Annotated[CatalogueFilter, Query()],
    database: TheDatabase,
    freshness: TheFreshness,
    principal: CurrentPrincipal,
) -> Response:
    """What a contract, or a customer's contracts in force, allow to be ordered now; with counts by facet."""
    statement = OF_CUSTOMER if wanted.contract_id is None else OF_CONTRACT
    found = await database.read(statement, _parameters(wanted, principal), freshness)
    assert found.first is not None
    if found.first.contracts > MOST_CONTRACTS:
        detail = said("more than {most} contracts are in force: choose one", most=MOST_CONTRACTS)
        raise invalid([FieldError("?contract_id", "too-many-contracts", detail)])
    return shown(_page(wanted, found.first), found)


def _parameters(wanted: CatalogueFilter, principal: Principal) -> dict[str, object]:
    customer = wanted.customer_id
    if customer is None and wanted.contract_id is None:
        if principal.customer is None:
            raise invalid([FieldError("?contract_id", "required", "name a contract or a customer")])
        customer = UUID(principal.customer)
    return {
        **{facet: list(getattr(wanted, facet)) for facet in FACETS},
        "contract_id": wanted.contract_id,
        "customer_id": customer,
        "today": now().date(),
        "after": wanted.after or "",
        "rows": wanted.limit + 1,
    }


def _page(wanted: CatalogueFilter, found: Found) -> Catalogue:
    page, following = found.items[: wanted.limit], None
    if len(found.items) > wanted.limit:
        query = wanted.model_dump(mode="json", exclude_defaults=True) | {"after": page[-1].product}
        following = f"{BASE}/catalogue?{urlencode(query, doseq=True)}"
    return Catalogue(page, dict(found.facets), following)

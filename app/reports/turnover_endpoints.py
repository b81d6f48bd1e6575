"""/api/v1/turnover: of staff for the cards in reach, in the portal for the company's own. Also as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.access.policy import Resource, Role
from app.access.principal import Principal, access_of
from app.audit import disclosure
from app.card_transactions.schemas import Occurred
from app.errors import FieldError, invalid
from app.http import ONE_PROBLEMS, StrictRoute, TheDatabase, TheFreshness
from app.identity import now
from app.language.said import said
from app.problems import problems
from app.reports import repository, turnover_periods
from app.reports.endpoints import RESPONSES, TheFormat, shaped
from app.reports.schemas import Format, Grouping, TurnoverReport, TurnoverRow
from app.security import CurrentPrincipal

router = APIRouter(prefix="/turnover", tags=["reports"], route_class=StrictRoute)
# Of a customer or a card an index leads to each purchase; of all cards there are sums, but by card. Otherwise
# all purchases of the period in reach are read.
MAX_DAYS, MAX_DAYS_OF_LIVE = 366, 31
_PATHS: Final = {repository.CUSTOMER: "customers", repository.CARD: "cards"}


@router.get(
    "",
    response_model=TurnoverReport,
    responses={**RESPONSES, **problems(*ONE_PROBLEMS)},
)
async def turnover_report(
    by: Annotated[Grouping, Query()],
    since: Annotated[Occurred, Query()],
    until: Annotated[Occurred, Query()],
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    principal: CurrentPrincipal,
    customer_id: Annotated[UUID | None, Query()] = None,
    card_id: Annotated[UUID | None, Query()] = None,
    shape: TheFormat = Format.JSON,
) -> Response:
    """What was bought with cards in a period: purchases, volume and sum; of all in reach, or one's."""
    asked = {repository.CUSTOMER: customer_id or own_customer(principal), repository.CARD: card_id}
    filters = {name: value for name, value in asked.items() if value is not None}
    of_all = not filters and access_of(principal).reaches_all(Resource.CARD)
    summed = of_all and by in repository.SUMMED
    check_period(since, until, MAX_DAYS if filters or summed else MAX_DAYS_OF_LIVE)
    if of_all:
        cut = turnover_periods.cut(since, until, now()) if summed else turnover_periods.uncut(since, until)
        found = await database.read(repository.turnover_of_all(by), cut.parameters, freshness)
    else:
        given = {**filters, "since": since, "until": until}
        found = await database.read(repository.turnover(by, frozenset(filters)), given, freshness)
    disclosure.name(subjects(by, filters, found.rows))
    return shaped(TurnoverReport(found.rows), found, shape)


def subjects(by: Grouping, filters: Mapping[str, UUID], rows: Sequence[TurnoverRow]) -> Iterator[str]:
    """Whose purchases the figures tell of. Sums over all in reach tell of nobody."""
    for name, id_ in filters.items():
        yield f"{_PATHS[name]}/{id_}"
    if by is Grouping.CARD:
        yield from (f"{_PATHS[repository.CARD]}/{row.key}" for row in rows)


def own_customer(principal: Principal) -> UUID | None:
    """In the portal nobody needs to name the own company; named, its purchases are found by an index."""
    if principal.customer is None or principal.roles != {Role.CUSTOMER}:
        return None
    return UUID(principal.customer)


def check_period(since: datetime, until: datetime, days: int) -> None:
    """Raises ProblemError (validation) where nobody could wait for the answer."""
    if until - since > timedelta(days=days):
        detail = said("a period has {days} days at most", days=days)
        raise invalid([FieldError("?until", "period-too-long", detail)])

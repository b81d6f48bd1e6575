"""/api/v1/turnover: of staff for the cards in reach, in the portal for the company's own. Also as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.access.policy import Role
from app.access.principal import Principal
from app.audit import disclosure
from app.card_transactions.schemas import Occurred
from app.errors import FieldError, invalid
from app.http import ONE_PROBLEMS, StrictRoute, TheDatabase, TheFreshness
from app.language.said import said
from app.problems import problems
from app.reports import repository
from app.reports.endpoints import RESPONSES, TheFormat, shaped
from app.reports.schemas import Format, Grouping, TurnoverReport, TurnoverRow
from app.security import CurrentPrincipal

router = APIRouter(prefix="/turnover", tags=["reports"], route_class=StrictRoute)
# Of a customer or a card an index leads to each purchase; without one, all purchases of the period are read.
MAX_DAYS, MAX_DAYS_OF_ALL = 366, 31
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
    given = {repository.CUSTOMER: customer_id or own_customer(principal), repository.CARD: card_id}
    filters = {name: value for name, value in given.items() if value is not None}
    check_period(since, until, MAX_DAYS if filters else MAX_DAYS_OF_ALL)
    statement = repository.turnover(by, frozenset(filters))
    found = await database.read(statement, {**filters, "since": since, "until": until}, freshness)
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

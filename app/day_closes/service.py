"""The day's close reconciled: what the processing system says it sent beside what is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from app import pagination
from app.cards.rules import midnight
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.day_closes import repository
from app.day_closes.schemas import DayClose, DayCloseForm, DayCloseInFull, DayClosePage, Looked, Total
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid
from app.fields import day_of
from app.http import BASE
from app.stations import repository as feeds

FEED = "day-close"
PATH = f"{BASE}/day-closes"


def bounds(day: date) -> tuple[datetime, datetime]:
    """From midnight to midnight, as the processing system's days go. Pure."""
    since = midnight(day)
    return since, since + timedelta(days=1)  # by the clock on the wall


async def tell(database: Database, command: Command, form: DayCloseForm) -> Committed:
    """201 for a new close or a correction, 200 for the same again.

    Raises ProblemError: what was told of that day is as new, and has other content.
    """
    _refuse(form)
    totals = sorted((_stored(total) for total in form.totals), key=_key)

    async def work(unit: WriteUnit) -> Answer:
        close = await repository.tell(unit, form.day, form.closed_at, totals)
        if close is None:
            return await _same(unit, form, totals)
        await feeds.arrived(unit, FEED, {form.day.isoformat(): form.closed_at})
        return Answer(201, encode(close), {"Location": f"{PATH}/{form.day}"})

    return await database.write(command, work)


async def _same(unit: WriteUnit, form: DayCloseForm, totals: Sequence[Mapping[str, Any]]) -> Answer:
    there = await repository.told(unit, form.day)
    assert there is not None  # it was in the way, and is never removed
    close, told = there
    if (close.closed_at, told) != (form.closed_at, totals):
        raise ProblemError(
            Problem.ALREADY_EXISTS,
            "a close of this day, as new or newer, has other content; a correction needs a later closed_at",
            existing=f"{PATH}/{form.day}",
        )
    return Answer(200, encode(close))


def _stored(total: Total) -> dict[str, Any]:
    """One form of each amount, so that the same is told from other content."""
    return {**total.model_dump(mode="json"), "amount": f"{total.amount:.2f}"}


def _key(total: Mapping[str, Any]) -> tuple[str, str, str]:
    return total["station"] or "", total["kind"], total["currency"]


def _refuse(form: DayCloseForm) -> None:
    """Raises ProblemError for totals that say something twice, and a day that is not over."""
    errors = []
    if form.closed_at < bounds(form.day)[1]:
        errors.append(FieldError("/closed_at", "too-early", "the day was not over by then"))
    seen = set()
    for index, total in enumerate(form.totals):
        key = (total.station, total.kind, total.currency)
        if key in seen:
            errors.append(FieldError(f"/totals/{index}", "repeated", "twice in this close"))
        if (total.station is None) is not (form.totals[0].station is None):
            text = "each total has a station, or none has"
            errors.append(FieldError(f"/totals/{index}/station", "mixed", text))
        seen.add(key)
    if errors:
        raise invalid(errors[:100])


async def sweep(database: Database, command: Command) -> Committed:
    """The worker's step: mark the days whose close is overdue, and compare one that is due.

    Takes no lock while it compares: what is told or comes in meanwhile makes the day due again.
    """

    async def work(unit: WriteUnit) -> Answer:
        missing = await repository.mark_missing(unit, FEED)
        close = await repository.due(unit)
        if close is not None:
            outcome = await repository.compare(unit, close, *bounds(close.day))
            await repository.keep(unit, close, outcome)
        return Answer(200, encode(Looked(missing, int(close is not None))))

    return await database.write(command, work)


async def page(
    database: Database, freshness: Freshness, filters: Mapping[str, str], *, limit: int, cursor: str | None
) -> tuple[DayClosePage, Found[DayClose]]:
    """The latest day first. `filters`: by the names in repository.FILTERS."""
    parameters = {**filters, "before": _before(cursor), "rows": limit + 1}
    found = await database.read(repository.page(frozenset(filters)), parameters, freshness)
    query = {"limit": str(limit), **filters}
    made = pagination.keyed_page(found.rows, limit, PATH, query, lambda close: [close.day.isoformat()])
    return DayClosePage(made.items, made.next), found


def _before(cursor: str | None) -> date:
    if cursor is None:
        return date.max
    try:
        return day_of(pagination.decode_key(cursor, 1)[0])
    except ValueError:
        raise pagination.cursor_invalid() from None


async def get(
    database: Database, day: date, freshness: Freshness
) -> tuple[DayCloseInFull, Found[DayCloseInFull]]:
    found = await database.read(repository.BY_DAY, {"day": day}, freshness)
    return found.one("day's close"), found

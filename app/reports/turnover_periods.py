"""A period cut into days that are kept as sums, and pieces that are summed up when somebody asks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.cards.rules import PROCESSING_ZONE, midnight


@dataclass(frozen=True, slots=True)
class Piece:
    """To be read from the purchases, all of them or those that are in no sum yet; `sign` -1 takes off."""

    since: datetime
    until: datetime
    sign: int = 1
    unsummed: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """Days from `first` to before `last`, of them months that are whole, and pieces."""

    first: date
    months_since: date
    months_until: date
    last: date
    pieces: Sequence[Piece]

    @property
    def parameters(self) -> Mapping[str, object]:
        return {
            "first": self.first,
            "months_since": self.months_since,
            "months_until": self.months_until,
            "last": self.last,
            "piece_since": [piece.since for piece in self.pieces],
            "piece_until": [piece.until for piece in self.pieces],
            "piece_sign": [piece.sign for piece in self.pieces],
            "piece_unsummed": [piece.unsummed for piece in self.pieces],
        }


def uncut(since: datetime, until: datetime) -> Cut:
    """All of it from the purchases."""
    day = since.astimezone(PROCESSING_ZONE).date()
    return Cut(day, day, day, day, (Piece(since, until),))


def cut(since: datetime, until: datetime, now: datetime) -> Cut:
    """The period from sums by day, as far as that leaves fewer purchases to be read.

    Each end goes to the midnight with fewer purchases between, which are added or taken off. So a period up
    to now reads nothing of today: its day as a whole, without what is yet to come.
    """
    first, last = _nearest_day(since, now), _nearest_day(until, now)
    edges = (*_signed(since, midnight(first)), *_signed(midnight(last), until))
    if first >= last or sum((_past(e.since, e.until, now) for e in edges), timedelta()) > _past(
        since, until, now
    ):
        return uncut(since, until)
    whole = Piece(midnight(first), midnight(last), unsummed=True)
    return Cut(first, *_whole_months(first, last), last, (whole, *edges))


def _nearest_day(moment: datetime, now: datetime) -> date:
    """The day whose beginning is nearest, counting only what is past."""
    day = moment.astimezone(PROCESSING_ZONE).date()
    following = day + timedelta(days=1)
    before, after = _past(midnight(day), moment, now), _past(moment, midnight(following), now)
    return following if after < before else day


def _past(since: datetime, until: datetime, now: datetime) -> timedelta:
    return max(min(until, now) - since, timedelta())


def _signed(since: datetime, until: datetime) -> Iterator[Piece]:
    if since < until:
        yield Piece(since, until)
    elif since > until:
        yield Piece(until, since, sign=-1)


def _whole_months(first: date, last: date) -> tuple[date, date]:
    """Of the days from `first` to before `last`; both are `last` where no month is whole."""
    since = first if first.day == 1 else (first.replace(day=1) + timedelta(days=31)).replace(day=1)
    until = last.replace(day=1)
    return (since, until) if since < until else (last, last)

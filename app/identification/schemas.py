"""Who is calling, and what may be told them (C7): scenarios as data, and the answer to an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from app.customers.sections import NAMES
from app.directory.model import Code, Directory, Entry, Localized, LocalizedText
from app.fields import Form, Moment, Opaque, Raw, Short


class Evidence(StrEnum):
    """What a caller can give, compared with the card. `representative`: authority for the topic."""

    PHONE = "phone"
    EMAIL = "email"
    COMPANY = "company"
    PERSON = "person"
    INN = "inn"
    SNILS = "snils"
    CARD_LAST_FOUR = "card_last_four"
    REPRESENTATIVE = "representative"


GENERAL = "general"  # what may be told to anybody
CUSTOMER = "customer"  # the card itself: requisites and contacts
Told = Annotated[str, Field(pattern=rf"^({'|'.join((CUSTOMER, *NAMES))})$")]


class Level(Form):
    """All of `needs` must be confirmed; then `may_tell` of the single window's sections may be told."""

    needs: Annotated[tuple[Evidence, ...], Field(min_length=1, max_length=len(Evidence))]
    may_tell: Annotated[tuple[Told, ...], Field(min_length=1, max_length=len(NAMES) + 1)]
    hint: LocalizedText | None = None


class ScenarioForm(Entry):
    """Levels in ascending order: whoever reaches one has reached those before it."""

    title: Localized
    levels: Annotated[tuple[Level, ...], Field(max_length=5)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for lower, higher in zip(self.levels, self.levels[1:], strict=False):
            if not set(lower.needs) < set(higher.needs):
                raise ValueError("each level needs all that the one before needs, and more")
        return self


SCENARIOS = Directory("identification-scenarios", "crm.identification_scenario", ScenarioForm)

LastFour = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]


class CallerForm(Form):
    """What the caller said and the telephone showed. `customer_id`: the operator's choice among several."""

    topic: Code
    customer_id: UUID | None = None
    phone: Raw | None = None
    email: Raw | None = None
    company: Short | None = None
    person: Short | None = None
    inn: Raw | None = None
    snils: Raw | None = None
    card_last_four: LastFour | None = None


class RepresentativeForm(Form):
    """Who may speak for a customer, on which topics (none named: all), until when."""

    name: Raw
    phone: Raw | None = None
    topics: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    valid_until: Moment | None = None
    document: Opaque | None = None


@dataclass(frozen=True, slots=True)
class Representative:
    id: UUID
    customer_id: UUID
    name: str
    phone: str | None
    topics: Sequence[str]
    valid_until: datetime | None
    document: str | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Representatives:
    items: Sequence[Representative]


class Outcome(StrEnum):
    IDENTIFIED = "identified"  # the topic's highest level is reached
    MORE_NEEDED = "more_needed"  # `needed` leads to the next level
    AMBIGUOUS = "ambiguous"  # several cards fit; ask what tells them apart, or choose one
    UNIDENTIFIED = "unidentified"  # register the request without a customer


@dataclass(frozen=True, slots=True)
class Candidate:
    """A card that fits what was said."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Identification:
    """`level` 0 is nobody in particular. `wrong`: given, and not as on the card; a reason for suspicion."""

    id: UUID
    topic: str
    scenario: str | None
    outcome: Outcome
    customer_id: UUID | None
    level: int
    levels: int
    confirmed: Sequence[Evidence]
    wrong: Sequence[Evidence]
    needed: Sequence[Evidence]
    may_tell: Sequence[str]
    candidates: Sequence[Candidate]
    at: datetime
    actor: str
    valid_until: datetime

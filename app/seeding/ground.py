"""On what invented sales rest: what the base says already, and who buys. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from app.claims.schemas import ClaimKindForm
from app.deals.schemas import DealStageForm
from app.deals.stages import CustomerFacts
from app.errors import FieldError, invalid, not_found
from app.requests.channels import Channel
from app.routing import engine
from app.routing.engine import Candidate, Decision
from app.routing.repository import Setting
from app.routing.schemas import Party, ProfileForm
from app.routing.service import facts_of


@dataclass(frozen=True, slots=True)
class Buyer:
    """A company of the base. `number`: which of the seeded customers it is."""

    number: int
    id: UUID
    name: str
    facts: CustomerFacts


@dataclass(frozen=True, slots=True)
class Desk:
    """Who is given requests, and how many of them each has open."""

    people: Sequence[Candidate]
    given: Counter[str] = field(default_factory=Counter)

    def assign(self, setting: Setting, unit: str) -> Decision:
        """As the engine assigns a request of a customer whose contract the unit keeps."""
        served = replace(setting, profile=ProfileForm(contract_unit=unit), party=Party.CUSTOMER)
        topic = setting.topic
        facts = facts_of(served, Channel.PORTAL, line=topic.line, priority=topic.priority)
        people = [replace(each, load=each.load + self.given[each.code]) for each in self.people]
        return engine.decide(facts, setting.rules, people)

    def keep(self, person: str | None) -> None:
        """The request stays open."""
        if person is not None:
            self.given[person] += 1


@dataclass(frozen=True, slots=True)
class Ground:
    """`settings`: by topic, of nobody in particular; `managers`: of each office."""

    stages: Mapping[str, DealStageForm]
    kinds: Sequence[ClaimKindForm]
    settings: Mapping[str, Setting]
    desk: Desk
    managers: int

    def stage(self, code: str) -> DealStageForm:
        """Raises ProblemError (not-found)."""
        if code not in self.stages:
            raise not_found(f"stage {code}")
        return self.stages[code]


def refuse(errors: Sequence[FieldError]) -> None:
    """Raises ProblemError (validation), as the API does."""
    if errors:
        raise invalid(list(errors))

"""Finding out who is calling, and telling no more than the topic's scenario allows (C7).

Each identification is a write, and so in the audit log; what is then told is a read of its window, and so is
there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app import cleansing, identifiers
from app.access.principal import TRUSTED, current_access
from app.customers import window
from app.customers.window import Window
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.http import BASE, created
from app.identification import repository
from app.identification.deciding import Decision, Finding, Known, clean, compare, decide, undecided
from app.identification.schemas import (
    CUSTOMER,
    CallerForm,
    Candidate,
    Evidence,
    Identification,
    Level,
    Representative,
    RepresentativeForm,
)
from app.identifiers import IdentifierError
from app.identity import new_id, now

PATH = f"{BASE}/identifications"
VALID = timedelta(minutes=30)  # a call


async def identify(database: Database, command: Command, form: CallerForm) -> Committed:
    """Raises ProblemError: validation for an unknown topic or a customer out of reach."""
    given = clean(form)

    async def work(unit: WriteUnit) -> Answer:
        scenario = await repository.scenario(unit, form.topic)
        if scenario is None:
            raise invalid([FieldError("/topic", "unknown", "no such topic")])
        known = await repository.candidates(unit, form, given)
        if form.customer_id is not None and not known:
            raise invalid([FieldError("/customer_id", "unknown", "there is none with this id")])
        made = _judged(_Question(form.topic, *scenario, given, command.principal), known)
        await repository.insert(unit, made)
        return created(f"{PATH}/{made.id}", None, made)

    return await database.write(command, work)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the base, by whom."""

    topic: str
    scenario: str | None
    levels: Sequence[Level]
    given: Mapping[Evidence, str]
    actor: str


def _judged(question: _Question, known: Sequence[Known]) -> Identification:
    best = fitting(question.given, known)
    if len(best) != 1:
        decision = undecided(question.levels, set(question.given), several=len(best) > 1)
        return _record(question, Finding(), decision, best)
    finding = compare(question.given, best[0])
    return _record(question, finding, decide(question.levels, finding), best)


def fitting(given: Mapping[Evidence, str], known: Sequence[Known]) -> Sequence[Known]:
    """Those whom most of what was said fits. Pure."""

    def fit(candidate: Known) -> int:
        finding = compare(given, candidate)
        return len(finding.confirmed) - len(finding.wrong)

    most = max(map(fit, known), default=0)
    return [each for each in known if fit(each) == most]


def _record(
    question: _Question, finding: Finding, decision: Decision, best: Sequence[Known]
) -> Identification:
    at = now()
    return Identification(
        id=new_id(),
        topic=question.topic,
        scenario=question.scenario,
        outcome=decision.outcome,
        customer_id=best[0].card.id if len(best) == 1 else None,
        level=decision.level,
        levels=len(question.levels),
        confirmed=tuple(sorted(finding.confirmed)),
        wrong=tuple(sorted(finding.wrong)),
        needed=decision.needed,
        may_tell=decision.may_tell,
        candidates=tuple(Candidate(each.card.id, each.card.name) for each in best),
        at=at,
        actor=question.actor,
        valid_until=at + VALID,
    )


async def told(database: Database, id_: UUID, freshness: Freshness) -> tuple[Window, Found[Window]]:
    """The part of the single window that the caller may be told.

    Raises ProblemError: not-found, wrong-state (with `state`).
    """
    found = await database.read(repository.BY_ID, {"id": id_}, freshness)
    made = found.first
    if made is None:
        raise not_found("identification")
    if made.customer_id is None:
        raise ProblemError(Problem.WRONG_STATE, "the caller is not identified", state=made.outcome)
    if made.valid_until < now():
        raise ProblemError(Problem.WRONG_STATE, "identify the caller again", state="expired")
    names = window.visible(current_access() or TRUSTED) & set(made.may_tell)
    whole, shown = await window.window(database, made.customer_id, freshness, names)
    if whole.customer.merged_into is not None:
        raise ProblemError(
            Problem.WRONG_STATE, "the card was merged; identify the caller again", state="merged"
        )
    return (whole if CUSTOMER in made.may_tell else window.without_card(whole)), shown


async def entitle(
    database: Database, command: Command, customer_id: UUID, form: RepresentativeForm
) -> Committed:
    """Raises ProblemError: not-found, validation."""
    made = Representative(
        new_id(),
        customer_id,
        cleansing.name(form.name),
        _phone(form.phone),
        form.topics,
        form.valid_until,
        form.document,
        None,
    )

    async def work(unit: WriteUnit) -> Answer:
        entitled = await repository.entitle(unit, made)
        if entitled is None:
            raise not_found("customer")
        return created(f"{BASE}/customers/{entitled.customer_id}/representatives", None, entitled)

    return await database.write(command, work)


def _phone(text: str | None) -> str | None:
    try:
        return None if text is None else identifiers.phone(text)
    except IdentifierError as error:
        raise invalid([FieldError("/phone", error.code, error.detail)]) from error


async def revoke(database: Database, command: Command, customer_id: UUID, id_: UUID) -> Committed:
    """Raises ProblemError: not-found."""

    async def work(unit: WriteUnit) -> Answer:
        revoked = await repository.revoke(unit, customer_id, id_, now())
        if revoked is None:
            raise not_found("representative")
        return Answer(200, encode(revoked))

    return await database.write(command, work)

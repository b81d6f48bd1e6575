"""What can be done with requests: register them, read them. What happens to them later: moves.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from app import cleansing, pagination
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.errors import FieldError, Problem, ProblemError
from app.http import BASE, created
from app.identity import new_id, now
from app.notifications import repository as notifications
from app.notifications.schemas import NoticeKind
from app.pagination import Page
from app.requests import correspondence, events, repository
from app.requests.schemas import (
    Assignment,
    CustomerRequest,
    Event,
    EventKind,
    RequestForm,
    RequestWithHistory,
    Status,
)
from app.routing import service as routing
from app.routing.engine import Decision
from app.routing.repository import Setting
from app.sla.clock import Deadlines, deadlines
from app.topics.schemas import Occasion, Priority

PATH = f"{BASE}/requests"


async def register(database: Database, command: Command, form: RequestForm) -> Committed:
    """The one registration: whatever channel a request comes by, it passes here."""

    async def work(unit: WriteUnit) -> Answer:
        request = await enter(unit, form, command.principal)
        return created(f"{PATH}/{request.id}", request.version, request)

    try:
        return await database.write(command, work)
    except psycopg.errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != repository.CUSTOMER_CONSTRAINT:
            raise
        wrong = FieldError("/customer_id", "unknown-customer", "no customer with this id")
        raise ProblemError(Problem.UNKNOWN_CUSTOMER, wrong.detail, errors=[wrong]) from error


async def enter(
    unit: WriteUnit, form: RequestForm, actor: str, *, follows: UUID | None = None
) -> CustomerRequest:
    """Assign the request, set its clock, tell who has to know. Two round trips.

    `follows`: the request for which it goes on.
    """
    setting = await routing.setting_of(unit, form.topic, form.customer_id, form.region)
    priority = form.priority or setting.topic.priority
    decision = await routing.assign(unit, setting, form.channel, line=setting.topic.line, priority=priority)
    request = replace(as_arrived(form, setting, decision, id_=new_id(), at=now()), follows=follows)
    event = Event(request.version, EventKind.REGISTERED, request.created_at, actor, None)
    await repository.insert(unit, request, decision)
    await events.record(unit, request, event)
    await notifications.tell(unit, NoticeKind.ASSIGNED, request)
    await correspondence.write_to_customer(unit, request, setting, Occasion.REGISTERED)
    return request


def as_arrived(
    form: RequestForm, setting: Setting, decision: Decision, *, id_: UUID, at: datetime
) -> CustomerRequest:
    """A new request, with its clock set. Pure."""
    due = due_from(at, setting, decision.priority)
    return CustomerRequest(
        id=id_,
        customer_id=form.customer_id,
        channel=form.channel,
        topic=form.topic,
        subject=cleansing.line(form.subject) or form.subject,
        text=form.text,
        status=Status.NEW,
        assignee=decision.assignee,
        resolution=None,
        external_id=form.external_id,
        version=1,
        created_at=at,
        taken_at=None,
        closed_at=None,
        topic_version=setting.topic_version,
        queue=setting.topic.queue,
        line=decision.line,
        unit=decision.unit,
        priority=decision.priority,
        importance=setting.topic.importance,
        region=setting.region,
        language=form.language,
        sender=form.sender,
        reaction_due=due.reaction_due,
        solution_due=due.solution_due,
        waiting_since=None,
        waiting_due=None,
        external_system=None,
        external_reference=None,
        rating=None,
        reopened_at=None,
        follows=None,
    )


def due_from(at: datetime, setting: Setting, priority: Priority) -> Deadlines:
    """By the norm of the topic, for a clock that begins at `at`. Pure."""
    times = setting.topic.sla.times(priority)
    reaction = timedelta(minutes=times.reaction_minutes)
    return deadlines(at, reaction, timedelta(minutes=times.solution_minutes), setting.calendar)


def as_subject(first_line: str) -> str:
    """What a message without a subject is about: its first line, with nothing that cannot be shown."""
    return cleansing.line(first_line) or "—"


async def assignment(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[Assignment, Found[Assignment]]:
    found = await database.read(repository.ASSIGNMENT, {"id": id_}, freshness)
    return found.one("request"), found


async def get(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[RequestWithHistory, Found[RequestWithHistory]]:
    found = await database.read(repository.WITH_HISTORY, {"id": id_}, freshness)
    return found.one("request"), found


async def page(
    database: Database, freshness: Freshness, filters: dict[str, str], *, limit: int, cursor: str | None
) -> tuple[Page[CustomerRequest], Found[CustomerRequest]]:
    """`filters`: by the names in repository.FILTERS."""
    statement = repository.page(filters)
    return await pagination.read(
        database, freshness, statement, filters, path=PATH, query=filters, limit=limit, cursor=cursor
    )

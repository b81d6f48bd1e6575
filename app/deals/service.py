"""What can be done with a deal and its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.customers.repository import add_key
from app.database.answer import Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.deals import repository, stages
from app.deals.repository import Setting
from app.deals.schemas import (
    DEALS,
    TASKS,
    Deal,
    DealForm,
    DealStageForm,
    Task,
    TaskStatus,
    TermsChange,
)
from app.errors import FieldError, Problem, ProblemError, invalid
from app.identifiers import document_number
from app.identity import now
from app.records import service


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a deal could come to a stage now, and what it lacks."""

    stage: str
    ready: bool
    errors: tuple[FieldError, ...]


async def open_deal(database: Database, command: Command, form: DealForm) -> Committed:
    async def make(unit: WriteUnit) -> Deal:
        stage, customer = await _setting(unit, form.stage, form.customer_id)
        stages.check_move(stage, None)
        deal = Deal(
            **service.fresh(form.customer_id),
            number=await repository.next_number(unit),
            outcome=stage.outcome,
            **{**form.model_dump(exclude={"customer_id"}), "owner": form.owner or command.principal},
        )
        _refuse(stages.shortcomings(stage, deal, customer))
        return deal

    async def after(unit: WriteUnit, deal: Deal) -> None:
        await add_key(unit, deal.customer_id, "deal", document_number(deal.number))
        stage, _ = await _setting(unit, deal.stage, deal.customer_id)
        await _set_tasks(unit, deal, stage, command.principal)

    return await service.create(database, command, DEALS, "opened", make, then=after)


async def change_terms(
    database: Database, command: Command, id_: UUID, *, expected: str, form: TermsChange
) -> Committed:
    """What the present stage asks for stays fulfilled."""

    async def change(unit: WriteUnit, deal: Deal) -> Deal:
        given = form.model_dump(exclude_unset=True)
        if given.get("owner", deal.owner) is None:
            given["owner"] = command.principal
        changed = deal.model_copy(update=given)
        stage, customer = await _setting(unit, deal.stage, deal.customer_id)
        _refuse(stages.shortcomings(stage, changed, customer))
        return changed

    return await service.change(database, command, DEALS, id_, change, kind="changed", expected=expected)


async def to_stage(database: Database, command: Command, id_: UUID, code: str, note: str | None) -> Committed:
    """The deal comes to a stage: open tasks of the one before are dropped, those of the new one set."""

    async def change(unit: WriteUnit, deal: Deal) -> Deal:
        stage, customer = await _setting(unit, code, deal.customer_id)
        stages.check_move(stage, deal)
        _refuse(stages.shortcomings(stage, deal, customer))
        moved = deal.model_copy(update={"stage": code, "outcome": stage.outcome})
        for task in await repository.open_tasks(unit, deal):
            dropped = task.model_copy(update={"status": TaskStatus.DROPPED})
            await service.move(unit, TASKS, dropped, "dropped", actor=command.principal)
        await _set_tasks(unit, moved, stage, command.principal)
        return moved

    return await service.change(database, command, DEALS, id_, change, kind="moved", note=note)


async def _set_tasks(unit: WriteUnit, deal: Deal, stage: DealStageForm, actor: str) -> None:
    today = now().date()
    for template in stage.tasks:
        task = Task(
            **service.fresh(deal.customer_id),
            deal_id=deal.id,
            stage=stage.code,
            template=template.code,
            title=template.title,
            assignee=deal.owner,
            due_on=stages.due_on(template, today),
            status=TaskStatus.OPEN,
        )
        await service.enter(unit, TASKS, task, "set", actor=actor)


async def finish_task(database: Database, command: Command, id_: UUID, note: str | None) -> Committed:
    async def change(_: WriteUnit, task: Task) -> Task:
        if task.status is not TaskStatus.OPEN:
            raise ProblemError(Problem.WRONG_STATE, "the task is not open", state=task.status)
        return task.model_copy(update={"status": TaskStatus.DONE})

    return await service.change(database, command, TASKS, id_, change, kind="done", note=note)


async def _setting(unit: WriteUnit, stage: str, customer_id: UUID) -> Setting:
    setting = await repository.setting(unit, stage, customer_id)
    if setting is None and not await repository.known_customer(unit, customer_id):
        wrong = FieldError("/customer_id", "unknown-customer", "no customer with this id")
        raise ProblemError(Problem.UNKNOWN_CUSTOMER, wrong.detail, errors=[wrong])
    if setting is None:
        raise _unknown_stage("/stage")
    return setting


def _unknown_stage(pointer: str) -> ProblemError:
    return invalid([FieldError(pointer, "unknown-code", "no active or former entry has this code")])


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise invalid(errors)


async def readiness(
    database: Database, id_: UUID, code: str, freshness: Freshness
) -> tuple[Readiness, Found[Deal]]:
    """What the deal still lacks for a stage."""
    deal, found = await service.get(database, DEALS, id_, freshness)
    asked = await database.read(repository.READINESS, {"id": id_, "stage": code}, freshness)
    stage, customer = asked.one("stage")
    errors = tuple(stages.shortcomings(stage, deal, customer))
    return Readiness(code, not errors, errors), found

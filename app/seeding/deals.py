"""Invented deals, on their way over the stages of the base: by their rules, with the tasks they set. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from app.deals import stages
from app.deals.schemas import Deal, DealStageForm, Task, TaskStatus
from app.deals.stages import CustomerFacts
from app.seeding.ground import Ground, refuse
from app.seeding.story import Story, fresh

# The way of a deal over the stages that the migrations bring; a base whose stages differ refuses it.
WON = ("contact", "qualification", "offer", "signed")
LOST = "lost"
DONE = 0.9  # of the tasks, before their deal moves on


@dataclass(frozen=True, slots=True)
class Negotiation:
    deal: Story[Deal]
    tasks: tuple[Story[Task], ...]


def negotiate(
    random: Random, ground: Ground, facts: CustomerFacts, deal: Deal, *, path: Sequence[str], days: timedelta
) -> Negotiation:
    """`days` lie between two stages. Raises ProblemError where the base's stages do not allow it."""
    first, *others = path
    story = Story.begun(_at_stage(ground, facts, deal, None, first), "opened", deal.owner)
    tasks = _set(story.record, ground.stage(first), deal.created_at)
    for number, code in enumerate(others, 1):
        moment = deal.created_at + days * number
        tasks = [_left(random, task, moment) for task in tasks]
        moved = _at_stage(ground, facts, story.record, story.record, code)
        story = story.then(moved, "moved", moment, deal.owner)
        tasks += _set(story.record, ground.stage(code), moment)
    return Negotiation(story, tuple(tasks))


def _at_stage(ground: Ground, facts: CustomerFacts, deal: Deal, present: Deal | None, code: str) -> Deal:
    stage = ground.stage(code)
    stages.check_move(stage, present)
    refuse(stages.shortcomings(stage, deal, facts))
    return deal.model_copy(update={"stage": code, "outcome": stage.outcome})


def _set(deal: Deal, stage: DealStageForm, moment: datetime) -> list[Story[Task]]:
    return [
        Story.begun(
            Task(
                **fresh(moment, deal.customer_id, "task", deal.id, stage.code, template.code),
                deal_id=deal.id,
                stage=stage.code,
                template=template.code,
                title=template.title,
                assignee=deal.owner,
                due_on=stages.due_on(template, moment.date()),
                status=TaskStatus.OPEN,
            ),
            "set",
            deal.owner,
        )
        for template in stage.tasks
    ]


def _left(random: Random, task: Story[Task], moment: datetime) -> Story[Task]:
    """What becomes of an open task when its deal leaves the stage."""
    if task.record.status is not TaskStatus.OPEN:
        return task
    status = TaskStatus.DONE if random.random() < DONE else TaskStatus.DROPPED
    changed = task.record.model_copy(update={"status": status})
    return task.then(changed, status.value, moment, task.record.assignee)

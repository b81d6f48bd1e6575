"""Assignment of requests, and the profiles of customers that it rests on."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import psycopg

from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, invalid, not_found
from app.requests.channels import Channel
from app.routing import engine, repository
from app.routing.engine import Decision, Facts
from app.routing.repository import Setting
from app.routing.schemas import ProfileForm
from app.topics.schemas import Agreement, Priority


async def setting_of(unit: WriteUnit, topic: str, customer_id: UUID | None, region: str | None) -> Setting:
    """Raises ProblemError (validation) for an unknown topic or region."""
    setting = await repository.setting(unit, topic, customer_id, region)
    if setting is None:
        raise invalid([FieldError("/topic", "unknown-topic", "the directory has no such topic")])
    if region is not None and setting.region is None:
        raise invalid([FieldError("/region", "unknown-code", "the directory has no such region")])
    return setting


async def setting_now(
    unit: WriteUnit, topic: str, customer_id: UUID | None, region: str | None
) -> Setting | None:
    """None for requests older than the directory."""
    return await repository.setting(unit, topic, customer_id, region)


async def agreement_of(unit: WriteUnit, topic: str, version: int | None) -> Agreement | None:
    """The SLA of the version of a topic by which a request's clock was set; None if none was."""
    return None if version is None else await repository.agreement(unit, topic, version)


async def assign(
    unit: WriteUnit, setting: Setting, channel: Channel, *, line: int, priority: Priority, least_line: int = 1
) -> Decision:
    """Ask for the people who may be needed, and decide."""
    facts = replace(facts_of(setting, channel, line=line, priority=priority), least_line=least_line)
    wanted = engine.reach(facts, setting.rules)
    people = await repository.people(unit, wanted, facts.manager)
    return engine.decide(facts, setting.rules, people)


def facts_of(setting: Setting, channel: Channel, *, line: int, priority: Priority) -> Facts:
    profile = setting.profile
    return Facts(
        topic=setting.topic.code,
        channel=channel,
        queue_unit=setting.queue_unit,
        line=line,
        priority=priority,
        skill=setting.topic.skill,
        region=setting.region,
        party=setting.party,
        customer_type=profile.customer_type,
        planned_volume=profile.planned_volume,
        vip=profile.vip,
        manager=profile.manager,
        contract_unit=profile.contract_unit,
    )


async def profile(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[ProfileForm, Found[ProfileForm]]:
    found = await database.read(repository.PROFILE, {"id": id_}, freshness)
    return found.one("customer"), found


async def save_profile(database: Database, command: Command, id_: UUID, form: ProfileForm) -> Committed:
    async def work(unit: WriteUnit) -> Answer:
        await repository.save_profile(unit, id_, form, command.principal)
        return Answer(200, encode(form.model_dump(mode="json")))

    try:
        return await database.write(command, work)
    except psycopg.errors.ForeignKeyViolation as error:
        column = (error.diag.constraint_name or "").removeprefix("customer_profile_").removesuffix("_fkey")
        if column == "customer_id":
            raise not_found("customer") from error
        raise invalid([FieldError(f"/{column}", "unknown-code", "no entry has this code")]) from error

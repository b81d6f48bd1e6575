"""What can be done with subscriptions."""

from __future__ import annotations

from uuid import UUID

from app.customers.service import matches
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.events import cursor
from app.http import BASE, created, etag
from app.identity import new_id, now
from app.webhooks import repository
from app.webhooks.addresses import AddressRefusedError, Guard
from app.webhooks.schemas import Replayed, ReplayForm, Secret, Subscription, SubscriptionForm
from app.webhooks.signing import OVERLAP, Secrets

PATH = f"{BASE}/webhooks"


async def subscribe(database: Database, command: Command, form: SubscriptionForm, guard: Guard) -> Committed:
    """Raises ProblemError (validation) for an address that may not be used."""
    _check(form, guard)
    id_ = new_id()

    async def work(unit: WriteUnit) -> Answer:
        await repository.insert(unit, id_, form, now())
        return created(f"{PATH}/{id_}", 1, await _locked(unit, id_))

    return await database.write(command, work)


async def replace(
    database: Database, command: Command, id_: UUID, form: SubscriptionForm, *, expected: str, guard: Guard
) -> Committed:
    """Raises ProblemError: not-found, version-mismatch, validation."""
    _check(form, guard)

    async def work(unit: WriteUnit) -> Answer:
        present = await _locked(unit, id_)
        if not matches(expected, present.version):
            raise ProblemError(Problem.VERSION_MISMATCH, f"the present version is {etag(present.version)}")
        await repository.replace(unit, id_, form, now())
        return _shown(await _locked(unit, id_))

    return await database.write(command, work)


async def remove(database: Database, command: Command, id_: UUID) -> Committed:
    """What waits for it is dropped; what is under way may still arrive."""

    async def work(unit: WriteUnit) -> Answer:
        await _locked(unit, id_)
        await repository.remove(unit, id_, now())
        return Answer(204, b"")

    return await database.write(command, work)


async def rotate(database: Database, command: Command, id_: UUID) -> Committed:
    """A new secret signs at once, the one before for a day more."""

    async def work(unit: WriteUnit) -> Answer:
        await _locked(unit, id_)
        await repository.rotate(unit, id_, now())
        return _shown(await _locked(unit, id_))

    return await database.write(command, work)


async def replay(database: Database, command: Command, id_: UUID, form: ReplayForm) -> Committed:
    after = None if form.after is None else cursor.decode(form.after).position

    async def work(unit: WriteUnit) -> Answer:
        await _locked(unit, id_)
        return Answer(200, encode(Replayed(await repository.replay(unit, id_, after))))

    return await database.write(command, work)


async def secret(
    database: Database, id_: UUID, freshness: Freshness, secrets: Secrets | None
) -> tuple[Secret, Found[object]]:
    found = await database.read(repository.SECRET, {"id": id_}, freshness)
    number, rotated_at = found.one("subscription")
    if secrets is None:
        raise ProblemError(
            Problem.WRONG_STATE, "this installation has no CRM_ACCESS_SECRET", state="no secret"
        )
    current, *previous = secrets.current(id_, number, rotated_at, now())
    until = rotated_at + OVERLAP if previous and rotated_at else None
    return Secret(current, previous[0] if previous else None, until), Found(found.rows, found.from_replica)


def _check(form: SubscriptionForm, guard: Guard) -> None:
    try:
        guard.check_url(form.url)
    except AddressRefusedError as error:
        raise invalid([FieldError("/url", "address-refused", str(error))]) from error


async def _locked(unit: WriteUnit, id_: UUID) -> Subscription:
    present = await repository.lock(unit, id_)
    if present is None:
        raise not_found("subscription")
    return present


def _shown(subscription: Subscription) -> Answer:
    return Answer(200, encode(subscription), {"ETag": etag(subscription.version)})

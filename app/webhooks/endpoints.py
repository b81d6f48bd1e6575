"""/api/v1/webhooks."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    IfMatch,
    KeyedCommand,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    etag,
    shown,
    written,
)
from app.pagination import DEFAULT_LIMIT, Limit
from app.problems import problems
from app.settings import Settings
from app.webhooks import repository, service
from app.webhooks.addresses import Guard
from app.webhooks.schemas import (
    Deliveries,
    DeliveryStatus,
    Replayed,
    ReplayForm,
    Secret,
    Subscription,
    SubscriptionForm,
    Subscriptions,
)
from app.webhooks.signing import Secrets

router = APIRouter(prefix="/webhooks", tags=["integration"], route_class=StrictRoute)

MAX_POSITION = 2**63 - 1
ONE = problems(*ONE_PROBLEMS)
CHANGING = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND)
Below = Annotated[int, Query(ge=1, le=MAX_POSITION, description="The last `position` of the page before")]


def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def the_guard(request: Request) -> Guard:
    return Guard.of(_settings(request).webhook_networks)


async def the_secrets(request: Request) -> Secrets | None:
    master = _settings(request).access_secret
    return None if master is None else Secrets(master.get_secret_value())


TheGuard = Annotated[Guard, Depends(the_guard)]
TheSecrets = Annotated[Secrets | None, Depends(the_secrets)]


@router.post("", status_code=201, response_model=Subscription, responses=problems(*WRITE_PROBLEMS))
async def subscribe(
    form: SubscriptionForm, command: KeyedCommand, database: TheDatabase, guard: TheGuard
) -> Response:
    """Send events to an address from now on. Its secret: `GET /webhooks/{id}/secret`."""
    return written(await service.subscribe(database, command, form, guard))


@router.get("", response_model=Subscriptions, responses=problems(*READ_PROBLEMS))
async def list_subscriptions(database: TheDatabase, freshness: TheFreshness) -> Response:
    """All, oldest first."""
    found = await database.read(repository.ALL, {}, freshness)
    return shown(Subscriptions(found.rows), found)


@router.get("/{webhook_id}", response_model=Subscription, responses=ONE)
async def get_subscription(webhook_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    found = await database.read(repository.ONE, {"id": webhook_id}, freshness)
    subscription = found.one("subscription")
    return shown(subscription, found, {"ETag": etag(subscription.version)})


@router.put(
    "/{webhook_id}",
    response_model=Subscription,
    responses=problems(
        *WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.VERSION_MISMATCH, Problem.IF_MATCH_MISSING
    ),
)
async def replace_subscription(
    webhook_id: UUID,
    form: SubscriptionForm,
    *,
    command: OptionalCommand,
    database: TheDatabase,
    guard: TheGuard,
    if_match: IfMatch,
) -> Response:
    """Replace it as a whole; `active: false` lets it rest. What waits is sent to the new address."""
    return written(await service.replace(database, command, webhook_id, form, expected=if_match, guard=guard))


@router.delete("/{webhook_id}", status_code=204, responses=CHANGING)
async def remove_subscription(webhook_id: UUID, command: OptionalCommand, database: TheDatabase) -> Response:
    """Take it away, with all that waits for it. What is being sent at that moment may still arrive."""
    return written(await service.remove(database, command, webhook_id))


@router.get(
    "/{webhook_id}/secret",
    response_model=Secret,
    responses=problems(*ONE_PROBLEMS, Problem.WRONG_STATE),
)
async def get_secret(
    webhook_id: UUID, database: TheDatabase, freshness: TheFreshness, secrets: TheSecrets
) -> Response:
    """What the subscriber checks signatures with."""
    secret, found = await service.secret(database, webhook_id, freshness, secrets)
    return shown(secret, found)


@router.post("/{webhook_id}/rotate", response_model=Subscription, responses=CHANGING)
async def rotate_secret(webhook_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """A new secret; the one before signs too for a day."""
    return written(await service.rotate(database, command, webhook_id))


@router.get("/{webhook_id}/deliveries", response_model=Deliveries, responses=ONE)
async def list_deliveries(
    webhook_id: UUID,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    status: Annotated[DeliveryStatus | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    below: Below = MAX_POSITION,
) -> Response:
    """What became of each event, newest first."""
    parameters = {
        "id": webhook_id,
        "status": status and status.value,
        "limit": limit,
        "below": below,
    }
    found = await database.read(repository.DELIVERIES, parameters, freshness)
    return shown(Deliveries(found.rows), found)


@router.post(
    "/{webhook_id}/replay",
    response_model=Replayed,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.CURSOR_INVALID),
)
async def replay_deliveries(
    webhook_id: UUID, form: ReplayForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Deliver dead letters again, or everything after a place in the feed."""
    return written(await service.replay(database, command, webhook_id, form))

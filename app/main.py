"""The application: wiring only."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from app import health, logs, problems
from app.audit import endpoints as audit_endpoints
from app.audit.middleware import Disclosures
from app.audit.recorder import Recorder
from app.bookings import endpoints as bookings_endpoints
from app.calls import endpoints as calls_endpoints
from app.card_transactions import endpoints as card_transactions_endpoints
from app.cards import endpoints as cards_endpoints
from app.catalogue import endpoints as catalogue_endpoints
from app.chats import endpoints as chats_endpoints
from app.chats.stream import Chats
from app.claims import endpoints as claims_endpoints
from app.community import endpoints as community_endpoints
from app.contracts import endpoints as contracts_endpoints
from app.customers import endpoints as customers_endpoints
from app.customers import merging_endpoints
from app.database.database import Database
from app.day_closes import endpoints as day_closes_endpoints
from app.deals import endpoints as deals_endpoints
from app.dispatch import Dispatch, compiled
from app.events import endpoints as events_endpoints
from app.external import endpoints as external_endpoints
from app.http import BASE
from app.identification import endpoints as identification_endpoints
from app.imports import endpoints as imports_endpoints
from app.knowledge import endpoints as knowledge_endpoints
from app.loyalty import endpoints as loyalty_endpoints
from app.middleware import Surroundings
from app.notifications import endpoints as notifications_endpoints
from app.notifications.stream import Hub
from app.openapi import describe
from app.orders import endpoints as orders_endpoints
from app.promotions import endpoints as promotions_endpoints
from app.repetition import Repetition
from app.reports import endpoints as reports_endpoints
from app.reports import half_month_endpoints, turnover_endpoints
from app.requests import dossier_endpoints
from app.requests import endpoints as requests_endpoints
from app.routing import endpoints as routing_endpoints
from app.settings import Settings
from app.signin import endpoints as signin_endpoints
from app.signin.keyring import Keyring
from app.signin.limits import Limits
from app.signin.middleware import Authentication
from app.signin.secrets import Vault
from app.signin.service import SignIn
from app.sla import endpoints as sla_endpoints
from app.staff import endpoints as staff_endpoints
from app.stations import endpoints as stations_endpoints
from app.streams import Places
from app.topics import endpoints as topics_endpoints
from app.webhooks import endpoints as webhooks_endpoints

SLICES = (
    customers_endpoints.router,
    merging_endpoints.router,
    *identification_endpoints.routers,
    requests_endpoints.router,
    card_transactions_endpoints.router,
    day_closes_endpoints.router,
    cards_endpoints.router,
    *loyalty_endpoints.routers,
    promotions_endpoints.router,
    *stations_endpoints.routers,
    imports_endpoints.router,
    *topics_endpoints.routers,
    *sla_endpoints.routers,
    *staff_endpoints.routers,
    *routing_endpoints.routers,
    *knowledge_endpoints.routers,
    dossier_endpoints.router,
    notifications_endpoints.router,
    bookings_endpoints.router,
    calls_endpoints.router,
    reports_endpoints.router,
    half_month_endpoints.router,
    turnover_endpoints.router,
    *deals_endpoints.routers,
    contracts_endpoints.router,
    *catalogue_endpoints.routers,
    orders_endpoints.router,
    *claims_endpoints.routers,
    community_endpoints.router,
    chats_endpoints.router,
    events_endpoints.router,
    audit_endpoints.router,
    webhooks_endpoints.router,
    external_endpoints.router,
)


class Crm(FastAPI):
    """FastAPI, and around all of it what every request passes through.

    `add_middleware` would put that inside of FastAPI's own outer layers, which a request that `Dispatch`
    answers has no need of, and which answer what is unforeseen without a request id.
    """

    def __init__(self, surround: Callable[[ASGIApp], ASGIApp], **described: Any) -> None:
        self._surround = surround
        super().__init__(**described)

    def build_middleware_stack(self) -> ASGIApp:
        return self._surround(super().build_middleware_stack())


def create_app(settings: Settings) -> FastAPI:
    """An application with its own database routes, opened and closed by its lifespan."""
    database = Database(settings)
    vault = Vault(settings.access_secret.get_secret_value()) if settings.access_secret else None
    keyring = Keyring(database, vault)
    hub, chats = Hub(database), Chats(database)
    recorder = Recorder(database, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.open()
        keyring.open()
        recorder.open()
        try:
            yield
        finally:
            await hub.close()
            await chats.close()
            await recorder.close()
            await keyring.close()
            await database.close()

    def surround(fastapi: ASGIApp) -> ASGIApp:
        dispatch = Dispatch(fastapi, compiled(SLICES, BASE))
        signed_in = Authentication(dispatch, settings, keyring, app.state.limits)
        recorded = Disclosures(signed_in, recorder, settings.site)
        return Surroundings(Repetition(recorded, settings), settings)

    app = Crm(
        surround,
        title="twinsite CRM",
        version="1",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=f"{BASE}/docs",
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # we have our own
    )
    app.state.database = database
    app.state.settings = settings
    app.state.keyring = keyring
    app.state.hub = hub
    app.state.chats = chats
    app.state.places = Places(settings.streams_max, settings.streams_of_one)
    app.state.limits = Limits.of(settings)
    app.state.recorder = recorder
    app.state.card_keys = settings.cards
    app.state.sign_in = vault and SignIn(database, keyring, vault, settings.request_deadline_seconds)
    for router in SLICES:
        app.include_router(router, prefix=BASE)
    app.include_router(signin_endpoints.router, prefix=BASE)
    app.include_router(health.router)
    problems.install(app)
    describe(app)
    return app


def from_environment() -> FastAPI:
    """What a worker process runs (uvicorn's factory)."""
    settings = Settings.from_environment()
    logs.configure(settings)
    app = create_app(settings)
    _leave_alone()
    return app


def _leave_alone() -> None:
    """Keep the garbage collector off what lasts as long as the process, some hundred thousand objects.

    It looked at them all again and again, for nothing. What requests leave behind is nearly all freed by its
    reference counts; cycles may wait for ten thousand objects more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)

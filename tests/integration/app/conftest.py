"""The API in this process on a real PostgreSQL, and what tests need to look behind it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.devserver import CrmDatabase, PrivateServer, create_crm_database
from app.main import create_app
from app.settings import Settings
from tests.integration.app import sales

WAIT_SECONDS = 120.0
TAX_WEIGHTS = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_numbers = itertools.count(int.from_bytes(os.urandom(3)))


def company_inn(number: int) -> str:
    """A valid INN of a company: nine digits and their check digit."""
    digits = f"77{number % 10_000_000:07}"
    return digits + str(sum(int(d) * w for d, w in zip(digits, TAX_WEIGHTS, strict=True)) % 11 % 10)


def company_ogrn(number: int) -> str:
    digits = f"10277{number % 10_000_000:07}"
    return digits + str(int(digits) % 11 % 10)


@dataclass
class Api:
    """A client and the application behind it. Every write gets a key of its own unless one is given."""

    http: httpx.AsyncClient
    app: FastAPI
    crm: CrmDatabase | None = None  # behind it, where it is the test's own

    @property
    def database(self) -> Database:
        return self.app.state.database

    async def post(self, path: str, body: object, key: str | None = None, **headers: str) -> httpx.Response:
        headers = {"Idempotency-Key": key or f"test-{next(_numbers)}", **headers}
        return await self.http.post(path, json=body, headers=headers)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def until(self, serves: str) -> httpx.Response:
        """Wait until /health/ready says so; returns that answer."""
        async with asyncio.timeout(WAIT_SECONDS):
            while (answer := await self.get("/health/ready")).json()["serves"] != serves:
                await asyncio.sleep(0.02)
        return answer


@asynccontextmanager
async def running_api(
    database_url: str, replica_url: str | None = None, *, serves: str | None = "writes", **settings: object
) -> AsyncIterator[Api]:
    """The API, once it serves that much; None does not wait. Patient: tests share the machine with others."""
    values = {
        "site": "dc1",
        "host": "test",
        "pool_min_size": 1,
        "pool_max_size": 4,
        "pool_wait_seconds": 30,
        "connect_seconds": 20,
        "probe_timeout_seconds": 20,
        "request_deadline_seconds": 30,
        "drain_seconds": 1,
        "stream_seconds": 0.5,
        **settings,
    }
    app = create_app(Settings(database_url=database_url, replica_url=replica_url, **values))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://crm") as http,
    ):
        api = Api(http, app)
        if serves is not None:
            await api.until(serves)
        yield api


@pytest.fixture(scope="session")
def crm(postgres_server: PrivateServer) -> CrmDatabase:
    return create_crm_database(postgres_server)


@pytest.fixture
async def api(crm: CrmDatabase) -> AsyncIterator[Api]:
    async with running_api(crm.url(), crm.url()) as api:
        yield api


@pytest.fixture
async def own(postgres_server: PrivateServer, number: int) -> AsyncIterator[Api]:
    """An API on a database of its own (`own.crm`): nothing of other tests is in it."""
    crm = create_crm_database(postgres_server, f"own_{number}")
    async with running_api(crm.url(), pool_max_size=8) as api:
        api.crm = crm
        yield api
    with psycopg.connect(
        postgres_server.url(), autocommit=True
    ) as admin:  # some eighty would fill the memory
        admin.execute(f"DROP DATABASE {crm.name} WITH (FORCE)".encode())


@pytest.fixture
def admin(crm: CrmDatabase) -> Iterator[psycopg.Connection]:
    with psycopg.connect(crm.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def number() -> int:
    return next(_numbers)


@pytest.fixture
def company(number: int) -> Callable[..., dict[str, object]]:
    """A valid company nobody has registered yet, with changes."""

    def make(**changes: object) -> dict[str, object]:
        return {
            "kind": "company",
            "name": f"ООО «Пример {number}»",
            "inn": company_inn(number),
            "kpp": "770101001",
            "ogrn": company_ogrn(number),
            **changes,
        }

    return make


@pytest.fixture
async def customer(api: Api, company: Callable[..., dict[str, object]]) -> dict[str, str]:
    """A card of such a company."""
    answer = await api.post("/api/v1/customers", company())
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
async def goods(api, number):
    """What is sold, as `sales.enter_goods` tells: the barrel, the bucket and the bulk."""
    return await sales.enter_goods(api, number)


@pytest.fixture
async def agreed(api, customer, goods, number):
    """A contract that allows the barrel and the bulk, not the bucket."""
    barrel, _, bulk = goods
    return await sales.agree(api, customer, number, [(barrel, "100000.50", "10"), (bulk, "90000", None)])


@pytest.fixture(scope="session")
def start_api() -> Callable[..., object]:
    """`running_api`, for tests with servers and settings of their own."""
    return running_api

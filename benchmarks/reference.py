"""The limit of the API's figures: bare Starlette routes that run the same SQL with the same driver.

No validation, no access, no request id, no metrics, no discipline at the commit.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.customers import repository
from app.database.units import READ_GATE
from app.pagination import FIRST

# The statements of the API, but for the gate through which it says who is asking.
_ONE = repository.BY_ID.sql.replace(READ_GATE, "true")
_PAGE = repository.PAGE.sql.replace(READ_GATE, "true")
_INSERT = """
WITH register AS (
    INSERT INTO crm.card_transaction (processing_id, card_token, occurred_at)
    VALUES (%(processing_id)s, %(card_token)s, %(occurred_at)s))
INSERT INTO crm.card_transaction_detail
    (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
VALUES (%(processing_id)s, %(card_token)s, %(station)s, %(product)s, %(quantity)s, %(amount)s, %(currency)s,
        %(occurred_at)s, %(received_at)s)
"""
_STORE_ANSWER = """
INSERT INTO crm.idempotency_key (principal, key, fingerprint, status, headers, body)
VALUES ('bench', %(key)s, %(fingerprint)s, 201, %(headers)s, %(body)s)
"""


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content, default=str), status, media_type="application/json")


async def _read(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(_ONE, {"id": request.path_params["id"]})
        return _json(await cursor.fetchone())


async def _list(request: Request) -> Response:
    async with request.app.state.pool.connection() as connection:
        rows = int(request.query_params["limit"]) + 1
        cursor = await connection.execute(_PAGE, {"below": FIRST, "rows": rows})
        return _json(await cursor.fetchall())


async def _write(request: Request) -> Response:
    given = orjson.loads(await request.body())
    answer = orjson.dumps(given)
    async with request.app.state.pool.connection() as connection:
        await _insert(connection, given, request.headers["idempotency-key"], answer)
    return Response(answer, 201, media_type="application/json")


async def _insert_alone(request: Request) -> Response:
    """The row of the business and nothing else: no stored answer, and so no transaction written out."""
    given = orjson.loads(await request.body())
    async with request.app.state.pool.connection() as connection:
        await connection.execute(_INSERT, {**given, "received_at": datetime.now(UTC)})
    return Response(orjson.dumps(given), 201, media_type="application/json")


async def _insert(connection: AsyncConnection[Any], given: dict[str, Any], key: str, answer: bytes) -> None:
    stored = {"key": key, "fingerprint": b"0" * 32, "headers": Jsonb({}), "body": answer}
    async with connection.pipeline(), connection.transaction():
        await connection.execute(_INSERT, {**given, "received_at": datetime.now(UTC)})
        await connection.execute(_STORE_ANSWER, stored)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    dsn = os.environ["BENCH_DATABASE_URL"]
    settings = {"autocommit": True, "prepare_threshold": 1}
    async with AsyncConnectionPool(dsn, min_size=8, max_size=8, kwargs=settings, open=False) as pool:
        app.state.pool = pool
        yield


app = Starlette(
    routes=[
        Route("/api/v1/customers", _list),
        Route("/api/v1/customers/{id}", _read),
        Route("/api/v1/card-transactions", _write, methods=["POST"]),
        Route("/insert-alone", _insert_alone, methods=["POST"]),
    ],
    lifespan=_lifespan,
)

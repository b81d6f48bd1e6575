from __future__ import annotations

import asyncio

import psycopg
import pytest

from app.database.route import Route, RouteName
from app.settings import Settings


async def test_close_ends_a_prober_whose_cancellation_the_driver_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route = Route(RouteName.PRIMARY, "host=nowhere.invalid", Settings(database_url="host=nowhere.invalid"))
    waiting = asyncio.Event()

    async def interrupted(_: object) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            raise psycopg.OperationalError("the connection is lost") from cancelled

    monkeypatch.setattr(route, "_reconnect", interrupted)
    route._prober = prober = asyncio.create_task(route._probe_for_ever())
    await waiting.wait()
    async with asyncio.timeout(10):
        await route.close()
    assert prober.done()

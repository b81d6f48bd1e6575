"""Chats live (S9): who takes part hears every message once, also through failovers; nobody else anything."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID

import psycopg
import pytest

from app import streams
from app.access.policy import Role as Held
from app.devserver import THROWAWAY, create_crm_database, running_server
from tests.integration.app.listening import listening
from tests.integration.app.sales import asking
from tests.integration.app.test_outage import caught_up, primary, standby  # noqa: F401  # fixtures

LATEST = UUID("ffffffff-ffff-7fff-bfff-fffffffffff0")


def manager(unit="north"):
    return asking(f"service-{unit}", Held.SERVICE_MANAGER, units=(unit,))


def client(customer):
    return asking("portal", Held.CUSTOMER, customer=customer["id"])


def chat(customer, what="events"):
    return f"/api/v1/chats/{customer['id']}/{what}"


async def say(api, customer, text):
    answer = await api.post(chat(customer, "messages"), {"text": text})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def live(crm, start_api):
    async with start_api(crm.url(), stream_seconds=600) as api:
        yield api


@pytest.fixture
async def served(live, company):
    """A company in the zone of a service unit."""
    with manager():
        return (await live.post("/api/v1/customers", company())).json()


async def test_client_and_manager_hear_each_other(live, served):
    with client(served):
        await say(live, served, "из вчерашнего")
    async with AsyncExitStack() as both:
        with client(served):
            buyer = await both.enter_async_context(listening(live, chat(served)))
        with manager():
            seller = await both.enter_async_context(listening(live, chat(served)))
        with client(served):
            await say(live, served, "Где мой заказ?")
        with manager():
            answered = await say(live, served, "Отгружен вчера")
        for listener in (buyer, seller):
            await listener.until(lambda: len(listener.events) == 2)  # noqa: B023
            assert listener.texts == ["Где мой заказ?", "Отгружен вчера"], "from when it began to listen"
            assert listener.events[-1] == (answered["id"], answered)


async def test_a_stream_goes_on_after_the_last_message_that_came(live, served):
    with manager():
        first, second, third = [await say(live, served, text) for text in ("раз", "два", "три")]
        async with listening(live, chat(served) + f"?after={first['id']}") as listener:
            await listener.until(lambda: len(listener.events) == 2)
            assert listener.texts == ["два", "три"]
        # As a browser comes again: the address it began with, and the last id that it was told.
        headers = {"Last-Event-ID": second["id"]}
        async with listening(live, chat(served) + f"?after={first['id']}", **headers) as listener:
            await listener.until(lambda: len(listener.events) == 1)
            fourth = await say(live, served, "четыре")
            await listener.until(lambda: len(listener.events) == 2)
            assert [id_ for id_, _ in listener.events] == [third["id"], fourth["id"]]
        wrong = await live.get(chat(served), **{"Last-Event-ID": "nonsense"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "validation")


@pytest.mark.safety
async def test_strangers_hear_nothing(live, served, company):
    other = (await live.post("/api/v1/customers", company(inn=None, ogrn=None, kpp=None))).json()
    for stranger in (manager("south"), client(other)):
        with stranger:
            answer = await live.get(chat(served))
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    for role in (Held.OPERATOR, Held.CARRIER, Held.ADMINISTRATOR):
        with asking("somebody", role):
            assert (await live.get(chat(served))).status_code == 403


@pytest.mark.safety
async def test_who_loses_the_customer_hears_nothing_more(live, served, admin):
    with manager():
        async with listening(live, chat(served)) as listener:
            await say(live, served, "ещё наш")
            await listener.until(lambda: len(listener.events) == 1)
            admin.execute("UPDATE crm.customer SET zone_unit = 'south' WHERE id = %s", (served["id"],))
            with manager("south"):
                await say(live, served, "уже не ваш")
            await listener.until(lambda: listener.ended)
            assert listener.texts == ["ещё наш"]
        assert (await live.get(chat(served))).status_code == 404


async def test_messages_of_one_chat_rise_whatever_clocks_say(live, served, admin):
    """A message of a host whose clock is ahead comes first; those after it are not hidden behind it."""
    with manager():
        first = await say(live, served, "раз")
        admin.execute("UPDATE crm.chat_message SET id = %s WHERE id = %s", (LATEST, first["id"]))
        async with listening(live, chat(served)) as listener:
            written = await asyncio.gather(*(say(live, served, str(number)) for number in range(20)))
            await listener.until(lambda: len(listener.events) == 20)
            heard = [id_ for id_, _ in listener.events]
        assert sorted(heard) == heard == sorted(message["id"] for message in written)
        listed = (await live.get(chat(served, "messages"))).json()["items"]
        assert [item["id"] for item in reversed(listed)] == [str(LATEST), *heard]


async def test_streams_are_bounded_and_show_signs_of_life(crm, start_api, monkeypatch, company):
    monkeypatch.setattr(streams, "PING_SECONDS", 0.2)
    async with start_api(crm.url(), stream_seconds=600, streams_max=2, streams_of_one=1) as api:
        with manager():
            served = (await api.post("/api/v1/customers", company())).json()
            async with listening(api, chat(served)) as listener:
                await listener.until(lambda: b": ping" in listener.raw)
                second = await api.get(chat(served), **{"Accept-Language": "ru"})
                assert (second.status_code, second.json()["code"]) == (429, "too-many-requests")
                assert second.json()["detail"] == "у вас открыто слишком много потоков"
                with client(served):
                    async with listening(api, chat(served)):
                        with asking("petrova", Held.HEAD, units=("north",)):
                            third = await api.get(chat(served))
                        assert (third.status_code, third.json()["code"]) == (503, "overloaded")
            async with listening(api, chat(served)) as again:
                assert again.status == 200, "places are given back"


async def test_a_chat_goes_on_through_a_failover(primary, standby, start_api, company):  # noqa: F811
    """Over to the standby: what was told before is not told again, and nothing is left out."""
    async with AsyncExitStack() as sites:
        here = await sites.enter_async_context(
            start_api(primary.url(), stream_seconds=600, probe_seconds=0.1)
        )
        customer = (await here.post("/api/v1/customers", company())).json()
        told = [await say(here, customer, f"до {number}") for number in range(3)]
        async with listening(here, chat(customer) + f"?after={UUID(int=0)}") as listener:
            await listener.until(lambda: len(listener.events) == 3)
            heard = listener.events
        told.append(await say(here, customer, "пока никто не слушал"))
        await caught_up(primary, standby)
        await asyncio.to_thread(primary.server.stop)
        with psycopg.connect(standby.admin_url, autocommit=True) as copy:
            copy.execute("SELECT pg_promote()")
        there = await sites.enter_async_context(
            start_api(standby.url(), stream_seconds=600, probe_seconds=0.1)
        )
        async with listening(there, chat(customer), **{"Last-Event-ID": heard[-1][0]}) as listener:
            told += [await say(there, customer, f"после {number}") for number in range(3)]
            await listener.until(lambda: len(listener.events) == 4)
            heard += listener.events
    assert heard == [(message["id"], message) for message in told]


async def test_a_stream_outlives_its_primary(start_api, company):
    """Whoever stays connected to the API needs to do nothing."""
    with running_server(THROWAWAY) as server:
        crm = create_crm_database(server)
        async with start_api(crm.url(), stream_seconds=600, probe_seconds=0.1) as api:
            customer = (await api.post("/api/v1/customers", company())).json()
            async with listening(api, chat(customer)) as listener:
                before = await say(api, customer, "до")
                await listener.until(lambda: len(listener.events) == 1)
                await asyncio.to_thread(server.stop)
                await api.until("nothing")
                await asyncio.sleep(streams.LOOK_SECONDS)  # a look that finds nobody
                await asyncio.to_thread(server.start)
                await api.until("writes")
                after = await say(api, customer, "после")
                await listener.until(lambda: len(listener.events) == 2)
                assert [id_ for id_, _ in listener.events] == [before["id"], after["id"]]

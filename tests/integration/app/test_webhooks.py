"""I1: subscribers by signed webhooks, at least once, in order per entity, through failures of either side."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.database.answer import Answer, Command
from app.devserver import THROWAWAY, create_crm_database, free_port, running_server
from app.events.types import Event
from app.settings import Settings
from app.webhooks import dispatch_sql, sending
from app.webhooks.addresses import Guard
from app.webhooks.dispatch import Dispatcher
from app.webhooks.dispatch_sql import EACH, Claimed, Recipient, Target
from app.webhooks.sending import Fate, Result, WebhookSender
from app.webhooks.signing import Secrets
from app.worker import term as terms
from app.worker.commands import senders_of
from app.worker.jobs import table
from app.worker.office import AdvisoryOffice
from tests.integration.app.receiver import receiving
from tests.integration.app.test_worker import SECONDS, Freely, until, working

HOOKS, REQUESTS = "/api/v1/webhooks", "/api/v1/requests"
SECRET = base64.b64encode(bytes(32)).decode()
SETTINGS = {"access_secret": SECRET, "webhook_networks": "127.0.0.0/8"}
_texts = itertools.count()


@pytest.fixture
async def own(postgres_server, start_api, number):
    crm = create_crm_database(postgres_server, f"hooks_{number}")
    async with start_api(crm.url(), **SETTINGS) as api:
        api.crm = crm
        yield api


@asynccontextmanager
async def delivering(crm, office=None):
    dispatcher = Dispatcher(senders_of(Settings(database_url="x", **SETTINGS), None))
    async with working(crm.url(), office or AdvisoryOffice(crm.url()), table(dispatcher)) as worker:
        yield worker
        await dispatcher.close()


async def subscribe(api, url, *types, **more):
    form = {"url": url, "title": "ERP", "types": types or ["*"], **more}
    answer = await api.post(HOOKS, form)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def register(api, topic="cards"):
    form = {"channel": "call", "topic": topic, "subject": "Карта", "text": f"№ {next(_texts)}"}
    answer = await api.post(REQUESTS, form)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def step(api, request, name, **form):
    answer = await api.post(f"{REQUESTS}/{request['id']}/{name}", {"operator": "petrova", **form})
    assert answer.status_code == 200, answer.text


async def deliveries(api, hook, status):
    return (await api.get(f"{HOOKS}/{hook['id']}/deliveries?status={status}")).json()["items"]


async def hurry(crm):
    """Attempts that wait for their time are due now."""
    async with await psycopg.AsyncConnection.connect(crm.admin_url, autocommit=True) as admin:
        await admin.execute("UPDATE crm.delivery SET due_at = now() WHERE status = 'pending'")
        await admin.execute("UPDATE crm.subscription SET hold_until = NULL")


async def test_a_subscriber_gets_signed_events_and_can_check_them(own):
    with receiving() as receiver:
        hook = await subscribe(own, receiver.url, "request.*")
        secret = (await own.get(f"{HOOKS}/{hook['id']}/secret")).json()["secret"]
        request = await register(own)
        await step(own, request, "take")
        async with delivering(own.crm):
            await until(lambda: len(receiver.got) == 2)
    feed = (await own.get("/api/v1/events?types=request.*")).json()["items"]
    assert [event for event, *_ in receiver.got] == feed
    for event, headers, body, _ in receiver.got:
        assert Webhook(secret).verify(body, headers) == event
        assert headers["webhook-id"] == event["id"]


async def test_order_per_entity_holds_while_attempts_fail(own):
    """The first attempts of every third event are refused; what is behind it in its entity waits for it."""

    def behave(event, before):
        return 500 if event["version"] % 3 == 1 and before < 2 else 204

    with receiving(behave) as receiver:
        await subscribe(own, receiver.url, "request.*")
        requests = [await register(own) for _ in range(3)]
        for request in requests:
            await step(own, request, "take")
            await step(own, request, "wait")
            await step(own, request, "resume")
            await step(own, request, "close", resolution="Готово")
        async with delivering(own.crm):
            async with asyncio.timeout(SECONDS):
                while len(receiver.accepted) < 15:
                    await hurry(own.crm)
                    await asyncio.sleep(0.1)
    for request in requests:
        versions = [e["version"] for e in receiver.accepted if e["data"]["id"] == request["id"]]
        assert versions == [1, 2, 3, 4, 5]
    assert len(receiver.got) == 15 + 3 * 2 * 2


async def test_one_subscriber_that_fails_holds_up_no_other(own):
    with receiving(lambda *_: 503) as dead, receiving() as alive:
        await subscribe(own, dead.url)
        await subscribe(own, alive.url)
        async with delivering(own.crm):
            for _ in range(5):
                await register(own)
            await until(lambda: len(alive.got) == 5)
        assert dead.accepted == []


async def test_what_one_subscriber_is_slow_with_holds_up_that_entity_alone(own, monkeypatch):
    """Its first event is answered when the later ones of other entities have come; nothing overtakes it."""
    held, released, slow, begun = threading.Event(), threading.Event(), [], []
    # No attempt ends by its time: what comes does not come because the slow one was given up.
    monkeypatch.setattr(sending, "ATTEMPT_SECONDS", 4 * SECONDS)

    def behave(event, _):
        if event["entity"] == f"request:{slow[0]['id']}":
            begun.append(event["version"])
            held.set()
            released.wait(2 * SECONDS)
        return 204

    with receiving(behave) as receiver:
        await subscribe(own, receiver.url, "request.*")
        slow.append(await register(own))
        others = [await register(own)]
        async with delivering(own.crm):
            try:
                await until(held.is_set)
                others.append(await register(own))
                await step(own, slow[0], "take")
                await until(lambda: len(receiver.got) == 2)
                await step(own, others[0], "take")
                await until(lambda: len(receiver.got) == 3)
                assert begun == [1]
            finally:
                released.set()
            await until(lambda: len(receiver.got) == 5)
    entities = [event["data"]["id"] for event in receiver.accepted]
    assert entities == [each["id"] for each in (*others, others[0], *slow, *slow)]
    assert [event["version"] for event in receiver.accepted[-2:]] == [1, 2]


async def test_attempts_under_way_together_that_reach_nobody_count_once(own):
    """Or a subscriber that is gone for a moment would be left alone for minutes."""
    hook = await subscribe(own, "http://127.0.0.1:9/hook")
    recipient = Recipient(UUID(hook["id"]), Target.WEBHOOK, hook["url"], 1, None, 0)

    async def work(unit):
        for failures in (0, 0, 0, 1, 1):
            seen = replace(recipient, failures=failures)
            await dispatch_sql.unreached(unit, seen, datetime.now(UTC) + timedelta(hours=1))
        return Answer(200, b"{}")

    with acting_as(terms.ACCESS):
        await own.database.write(Command("crm test", terms.PRINCIPAL, None, b"", 30, audited=False), work)
    assert (await own.get(f"{HOOKS}/{hook['id']}")).json()["failures"] == 2


async def test_slow_subscribers_leave_the_others_their_connections():
    """More hanging attempts than the most that a few subscribers may have under way."""
    hanging = asyncio.Event()

    async def hang(_, writer):
        await hanging.wait()
        writer.close()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    sender = WebhookSender(Secrets(SECRET), Guard.of("127.0.0.0/8"))
    serve = asyncio.start_server
    async with await serve(hang, "127.0.0.1") as slow, await serve(answer, "127.0.0.1") as quick:
        attempts = [asyncio.create_task(sender.send(_claimed(slow))) for _ in range(4 * EACH)]
        await asyncio.sleep(1)
        assert await sender.send(_claimed(quick)) == Result(Fate.DELIVERED, "204")
        assert not any(attempt.done() for attempt in attempts)
        hanging.set()
        await asyncio.gather(*attempts)
    await sender.close()


def _claimed(server):
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    event = Event(uuid4(), "request.taken", datetime.now(UTC), "request:1", 1, {})
    return Claimed(Recipient(uuid4(), Target.WEBHOOK, url, 1, None, 0), 1, 1, event)


async def test_a_mistake_with_one_event_holds_up_no_other(own, monkeypatch):
    """It is tried again like what a subscriber refused; and the worker keeps nothing of it."""
    send, broken = WebhookSender.send, await register(own)

    async def mistaken(self, claimed):
        if claimed.event.entity == f"request:{broken['id']}":
            raise RuntimeError("a bug")
        return await send(self, claimed)

    monkeypatch.setattr(WebhookSender, "send", mistaken)
    with receiving() as receiver:
        hook = await subscribe(own, receiver.url, "request.*")
        await step(own, broken, "take")
        await register(own)
        async with delivering(own.crm):
            await until(lambda: receiver.got)
            async with asyncio.timeout(SECONDS):
                while "RuntimeError" not in [
                    each["answer"] for each in await deliveries(own, hook, "pending")
                ]:
                    await asyncio.sleep(0.05)
    assert len(await deliveries(own, hook, "delivered")) == 1


async def test_a_subscriber_that_was_away_gets_everything(own):
    port = free_port()
    hook = await subscribe(own, f"http://127.0.0.1:{port}/hook", "request.*")
    async with delivering(own.crm):
        request = await register(own)
        async with asyncio.timeout(SECONDS):
            while not (await own.get(f"{HOOKS}/{hook['id']}")).json()["failures"]:
                await asyncio.sleep(0.1)
        await step(own, request, "take")
        with receiving(port=port) as receiver:
            async with asyncio.timeout(SECONDS):
                while len(receiver.got) < 2:
                    await hurry(own.crm)
                    await asyncio.sleep(0.1)
    assert [event["type"] for event in receiver.accepted] == ["request.registered", "request.taken"]


async def test_what_a_killed_worker_had_under_way_is_sent_again_by_the_next(own):
    """At least once: nobody knows what became of it, so it is the next one's when the lease ends."""
    held, released = threading.Event(), threading.Event()
    with receiving(lambda _, before: 204 if before else _once(held, released)) as receiver:
        await subscribe(own, receiver.url)
        await register(own)
        with a_worker(own.crm) as process:
            await until(held.is_set)
            process.kill()
        async with delivering(own.crm):
            with psycopg.connect(own.crm.admin_url) as admin:
                (left,) = admin.execute("SELECT max(claimed_until) - now() FROM crm.delivery").fetchone()
            assert left < timedelta(seconds=20)
            released.set()
            await until(lambda: len(receiver.got) == 2)
    assert receiver.got[0][0] == receiver.got[1][0]
    assert receiver.got[0][1]["webhook-id"] == receiver.got[1][1]["webhook-id"]


async def test_a_worker_that_is_told_to_end_leaves_nothing_under_way(own):
    """Its office is free only when it has noted what it was answered: the next one sends nothing again."""
    held, released = threading.Event(), threading.Event()
    with receiving(lambda *_: _once(held, released)) as receiver:
        hook = await subscribe(own, receiver.url)
        await register(own)
        with a_worker(own.crm) as process:
            await until(held.is_set)
            async with delivering(own.crm):
                process.terminate()
                await asyncio.sleep(2)  # time enough for a free office to be taken
                released.set()
                await until(lambda: receiver.got)
                assert await asyncio.to_thread(process.wait, SECONDS) == 0
                (delivered,) = await deliveries(own, hook, "delivered")
    assert (delivered["attempts"], len(receiver.got)) == (1, 1)


async def test_what_was_answered_while_the_database_was_away_is_not_sent_again(start_api):
    held, released = threading.Event(), threading.Event()
    with running_server(THROWAWAY) as server, receiving(lambda *_: _once(held, released)) as receiver:
        crm = create_crm_database(server)
        async with start_api(crm.url(), **SETTINGS) as api:
            hook = await subscribe(api, receiver.url)
            await register(api)
            async with delivering(crm):
                await until(held.is_set)
                await asyncio.to_thread(server.stop)
                released.set()
                await until(lambda: receiver.got)
                await asyncio.sleep(1)  # a note fails meanwhile
                await asyncio.to_thread(server.start)
                await api.until("writes")
                async with asyncio.timeout(SECONDS):
                    while not (found := await deliveries(api, hook, "delivered")):
                        await asyncio.sleep(0.1)
    assert (found[0]["attempts"], len(receiver.got)) == (1, 1)


def _once(held, released):
    """Answers when it is released."""
    held.set()
    assert released.wait(9)  # within an attempt's time
    return 204


@contextmanager
def a_worker(crm):
    """A process of its own, as an estate has it."""
    environment = {**os.environ, "CRM_DATABASE_URL": crm.url(), "CRM_MIGRATION_URL": crm.url()}
    environment |= {f"CRM_{name.upper()}": value for name, value in SETTINGS.items()}
    with subprocess.Popen([sys.executable, "-m", "app", "worker"], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_two_workers_at_once_send_each_event_once(own):
    """Both believe to be in office; claims keep them apart."""
    with receiving() as receiver:
        await subscribe(own, receiver.url)
        async with delivering(own.crm, Freely()), delivering(own.crm, Freely()):
            for _ in range(6):
                await register(own)
            await until(lambda: len({event["id"] for event, *_ in receiver.got}) == 6)
    assert len(receiver.got) == 6


async def test_what_never_gets_through_is_a_dead_letter_and_can_be_replayed(own):
    answers = {"status": 400}
    with receiving(lambda *_: answers["status"]) as receiver:
        hook = await subscribe(own, receiver.url)
        await register(own)
        async with delivering(own.crm):
            async with asyncio.timeout(SECONDS):
                while not (dead := await deliveries(own, hook, "dead")):
                    await hurry(own.crm)
                    await asyncio.sleep(0.1)
            assert (dead[0]["attempts"], dead[0]["answer"]) == (10, "400")
            answers["status"] = 200
            replayed = await own.post(f"{HOOKS}/{hook['id']}/replay", {})
            assert replayed.json() == {"deliveries": 1}
            await until(lambda: receiver.accepted)
    assert len(await deliveries(own, hook, "delivered")) == 1


async def test_a_new_subscriber_can_have_what_was_before(own):
    request = await register(own)
    start = (await own.get("/api/v1/events?limit=1")).json()["next"].split("after=")[1].split("&")[0]
    await step(own, request, "take")
    with receiving() as receiver:
        hook = await subscribe(own, receiver.url, "request.*")
        async with delivering(own.crm):
            answer = await own.post(f"{HOOKS}/{hook['id']}/replay", {"after": start})
            assert answer.status_code == 200, answer.text
            await until(lambda: receiver.got)
    assert [event["type"] for event, *_ in receiver.got] == ["request.taken"]


async def test_only_what_was_asked_for(own):
    with receiving() as receiver:
        await subscribe(own, receiver.url, "request.taken", only={"topic": "cards"})
        async with delivering(own.crm):
            for topic in ("cards", "access"):
                await step(own, await register(own, topic), "take")
            await until(lambda: receiver.got)
            last = await register(own)
            await step(own, last, "take")
            await until(lambda: len(receiver.got) == 2)
    assert {event["type"] for event, *_ in receiver.got} == {"request.taken"}
    assert {event["data"]["topic"] for event, *_ in receiver.got} == {"cards"}


async def test_after_a_rotation_both_secrets_verify(own):
    with receiving() as receiver:
        hook = await subscribe(own, receiver.url)
        old = (await own.get(f"{HOOKS}/{hook['id']}/secret")).json()["secret"]
        await own.post(f"{HOOKS}/{hook['id']}/rotate", {})
        now = (await own.get(f"{HOOKS}/{hook['id']}/secret")).json()
        assert now["previous"] == old != now["secret"]
        await register(own)
        async with delivering(own.crm):
            await until(lambda: receiver.got)
    event, headers, body, _ = receiver.got[0]
    assert Webhook(old).verify(body, headers) == Webhook(now["secret"]).verify(body, headers) == event


async def test_a_redirect_is_not_followed_and_gone_ends_the_subscription(own):
    answers = iter((302, 410))
    with receiving(lambda *_: next(answers)) as receiver:
        hook = await subscribe(own, receiver.url)
        await register(own)
        async with delivering(own.crm):
            async with asyncio.timeout(SECONDS):
                while (await own.get(f"{HOOKS}/{hook['id']}")).json()["active"]:
                    await hurry(own.crm)
                    await asyncio.sleep(0.1)
    assert len(receiver.got) == 2


async def test_a_subscription_that_is_removed_is_gone_and_gets_nothing_more(own):
    with receiving(lambda *_: 503) as dead, receiving() as alive:
        hook = await subscribe(own, dead.url, title="ended")
        await subscribe(own, alive.url)
        async with delivering(own.crm):
            await register(own)
            await until(lambda: dead.got and alive.got)
            path, key = f"{HOOKS}/{hook['id']}", {"Idempotency-Key": "remove-1"}
            answers = [await own.http.delete(path, headers=key) for _ in range(2)]
            assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2
            assert (await own.http.delete(path)).status_code == 404
            assert {(await own.get(f"{path}{part}")).status_code for part in ("", "/secret")} == {404}
            assert [each["title"] for each in (await own.get(HOOKS)).json()["items"]] == ["ERP"]
            sent = len(dead.got)
            await hurry(own.crm)
            await register(own)
            await until(lambda: len(alive.got) == 2)
        assert len(dead.got) == sent


async def test_what_a_removed_subscription_leaves_goes_in_batches_and_nothing_else(own):
    removed, kept = [await subscribe(own, "http://127.0.0.1:9/hook") for _ in range(2)]
    for _ in range(3):
        await register(own)
    await own.get("/api/v1/events")  # numbers them
    await own.http.delete(f"{HOOKS}/{removed['id']}")
    purged = "SELECT crm.purge_subscriptions(now() - %s::interval, 2)"
    left = "SELECT subscription_id::text, count(*) FROM crm.delivery GROUP BY 1"
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        both = dict(admin.execute(left).fetchall())
        assert len(both) == 2
        every = both[removed["id"]]
        assert admin.execute(purged, ["1 hour"]).fetchone() == (0,)
        batches = [admin.execute(purged, ["0"]).fetchone()[0] for _ in range(every)]
        assert (sum(batches), max(batches)) == (every, 2)
        assert dict(admin.execute(left).fetchall()) == {kept["id"]: both[kept["id"]]}
        found = admin.execute("SELECT id::text FROM crm.subscription WHERE target = 'webhook'").fetchall()
    assert found == [(kept["id"],)]


async def test_the_worker_clears_removed_subscriptions_away(own):
    hook = await subscribe(own, "http://127.0.0.1:9/hook")
    await own.http.delete(f"{HOOKS}/{hook['id']}")
    sql = "SELECT count(*) FROM crm.subscription WHERE target = 'webhook'"
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        admin.execute("UPDATE crm.subscription SET removed_at = removed_at - interval '5 minutes'")
        async with delivering(own.crm):
            await until(lambda: admin.execute(sql).fetchone() == (0,))


@pytest.mark.safety
@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://169.254.169.254/x", "https://u:p@example.org/"])
async def test_an_address_inside_is_refused(own, url):
    answer = await own.post(HOOKS, {"url": url, "title": "t", "types": ["*"]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


@pytest.mark.safety
async def test_a_name_that_leads_inside_is_not_connected_to(own):
    """`localhost` passes the form and is stopped where the connection is made."""
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].removesuffix("/hook")
        hook = await subscribe(own, f"https://localhost:{port}/hook")
        await register(own)
        strict = Settings(database_url="x", access_secret=SECRET)
        dispatcher = Dispatcher(senders_of(strict, None))
        async with working(own.crm.url(), AdvisoryOffice(own.crm.url()), table(dispatcher)):
            async with asyncio.timeout(SECONDS):
                while not (found := await deliveries(own, hook, "pending")) or not found[0]["answer"]:
                    await asyncio.sleep(0.1)
        await dispatcher.close()
    assert found[0]["answer"] == "the name leads nowhere that is allowed"
    assert receiver.got == []


@pytest.mark.safety
async def test_only_administrators_subscribe(own):
    with acting_as(access_of(Principal("erp", frozenset({Held.INTEGRATION})))):
        assert (await own.get(HOOKS)).status_code == 403
    with acting_as(access_of(Principal("root", frozenset({Held.ADMINISTRATOR})))):
        hook = await subscribe(own, "https://erp.example/hook", "request.*")
        assert (await own.get(f"{HOOKS}/{hook['id']}/secret")).status_code == 200


async def test_unknown_types_and_stale_changes_are_refused(own):
    form = {"url": "https://erp.example/hook", "title": "ERP", "types": ["request.eaten"]}
    assert (await own.post(HOOKS, form)).status_code == 422
    hook = await subscribe(own, "https://erp.example/hook")
    address = f"{HOOKS}/{hook['id']}"
    form = {**form, "types": ["request.*"]}
    stale = await own.http.put(address, json=form, headers={"If-Match": '"7"'})
    changed = await own.http.put(address, json=form, headers={"If-Match": '"1"'})
    assert (stale.status_code, changed.status_code, changed.json()["types"]) == (412, 200, ["request.*"])

"""Nothing stays hanging: a customer who was asked and says nothing is told of in time (R6)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from app.migrate import load, migrate
from app.requests import moves, service
from app.roles import Role, ensure_database, ensure_roles
from app.topics.schemas import DEFAULT_WAITING_MINUTES
from tests.integration.app.desks import REQUESTS, Desk, ids_by, in_three

KAMCHATKA = "41"
SWEEPS = "/api/v1/overdue/sweeps"
KINDS = ("reaction_overdue", "solution_overdue", "waiting_overdue")


def may(day, hour, minute=0):
    """Of 2026, in Kamchatka; the eighth is a Friday, the eleventh a holiday."""
    return datetime(2026, 5, day, hour, minute, tzinfo=ZoneInfo("Asia/Kamchatka"))


@pytest.fixture
def at(monkeypatch):
    """Sets the clock of the API's host: long before that of the database, by which silence is found."""

    class Host:
        def __init__(self):
            self.moment = may(8, 17, 30)

        def now(self):
            return self.moment.astimezone(UTC)

    host = Host()
    for module in (service, moves):
        monkeypatch.setattr(module, "now", host.now)
    monkeypatch.setattr(service, "new_id", ids_by(host))
    return lambda moment: setattr(host, "moment", moment)


class Asking(Desk):
    """A desk with a head and an operator, on which a request waits for its customer."""

    async def staffed(self, **topic):
        await self.open(**topic)
        self.boss, self.operator = await self.person("head", lines=[3]), await self.person("op")
        unit = {"code": self.unit, "title": in_three("Unit"), "head": self.boss}
        await self.put(f"units/{self.unit}", unit)
        return self

    async def ask(self, request, **more):
        await self.move(request, "take", operator=self.operator)
        return await self.move(request, "wait", operator=self.operator, **more)

    async def told(self, recipient):
        """Of what is overdue: request and kind, in the order in which it was told."""
        address = f"/api/v1/notifications?recipient={recipient}&limit=200"
        notices = (await self.api.get(address)).json()["items"]
        return [(each["request_id"], each["kind"]) for each in reversed(notices) if each["kind"] in KINDS]

    async def sweep(self):
        answer = await self.api.post(SWEEPS, {})
        assert answer.status_code == 200, answer.text

    async def card(self, request):
        return (await self.api.get(f"{REQUESTS}/{request['id']}")).json()


@pytest.fixture
async def desk(api, number):
    return await Asking(api, number).staffed(waiting_minutes=60)


def due(request):
    return datetime.fromisoformat(request["waiting_due"])


async def late(admin, desk, request):
    """The customer's time has passed."""
    admin.execute(
        "UPDATE crm.request SET waiting_since = waiting_since - '2 h'::interval, waiting_due = now()"
        " WHERE id = %s",
        [request["id"]],
    )
    assert (await desk.card(request))["status"] == "waiting"


async def test_a_silent_customer_is_told_to_the_one_in_charge_and_the_head_once(desk, admin):
    requests = [await desk.register() for _ in range(3)]
    for request in requests:
        await desk.ask(request)
    await desk.sweep()
    assert await desk.told(desk.boss) == []
    for request in requests[:2]:
        await late(admin, desk, request)
    await asyncio.gather(*(desk.sweep() for _ in range(4)))
    for recipient in (desk.boss, desk.operator):
        told = sorted(await desk.told(recipient))
        assert told == sorted((request["id"], "waiting_overdue") for request in requests[:2])
    assert (await desk.card(requests[0]))["version"] == 3  # its history tells what was done to it


async def test_the_customers_time_is_of_the_topics_calendar_and_shown(api, number, at):
    for calendar, until in (("office", may(12, 9, 40)), ("always", may(8, 18, 40))):
        at(may(8, 17, 30))
        desk = await Asking(api, f"{number}-{calendar}").staffed(calendar=calendar, waiting_minutes=60)
        request = await desk.register(region=KAMCHATKA)
        assert request["waiting_due"] is None
        at(may(8, 17, 40))
        assert due(await desk.ask(request)) == until
        assert due(await desk.card(request)) == until
        (listed,) = (await api.get(f"{REQUESTS}?topic={desk.topic}&status=waiting")).json()["items"]
        assert due(listed) == until


async def test_an_answer_ends_the_wait_and_the_next_one_counts_anew(desk, admin, at):
    at(may(8, 10))
    request = await desk.register()
    waits = []
    for hour in (11, 15):
        at(may(8, hour))
        waits.append(due(await desk.move(request, "wait") if waits else await desk.ask(request)))
        for _ in range(2):
            await desk.sweep()
        assert await desk.told(desk.boss) == [(request["id"], "waiting_overdue")] * len(waits)
        at(may(8, hour + 2))
        resumed = await desk.move(request, "resume")
        assert (resumed["waiting_due"], resumed["waiting_since"]) == (None, None)
    assert waits == [may(8, 12), may(8, 16)]
    await desk.sweep()
    again = [kind for _, kind in await desk.told(desk.boss)]
    assert again == ["waiting_overdue", "waiting_overdue", "solution_overdue"]


async def test_who_answers_or_is_done_in_time_makes_nobody_late(desk, admin):
    answered, closed = [await desk.register() for _ in range(2)]
    for request in (answered, closed):
        await desk.ask(request)
        await late(admin, desk, request)
    letter = {"direction": "in", "channel": "email", "author": "a@example.org", "text": "Вот номер"}
    assert (await desk.api.post(f"{REQUESTS}/{answered['id']}/messages", letter)).status_code == 201
    await desk.move(closed, "close", resolution="Готово")
    await desk.sweep()
    assert await desk.told(desk.boss) == []
    for request in (answered, closed):
        assert (await desk.card(request))["waiting_due"] is None


async def test_a_topics_norm_is_edited_kept_by_versions_and_holds_for_the_next_wait(desk):
    request = await desk.register()
    waiting = await desk.ask(request)
    assert due(waiting) - datetime.fromisoformat(waiting["waiting_since"]) == timedelta(minutes=60)
    for minutes, norm in ((30, 30), (None, DEFAULT_WAITING_MINUTES)):
        await desk.put(f"topics/{desk.topic}", desk.topic_form(waiting_minutes=minutes))
        await desk.move(request, "resume")
        waiting = await desk.move(request, "wait")
        assert due(waiting) - datetime.fromisoformat(waiting["waiting_since"]) == timedelta(minutes=norm)
    versions = (await desk.api.get(f"/api/v1/topics/{desk.topic}/versions")).json()["items"]
    assert [version["content"]["waiting_minutes"] for version in versions] == [None, 30, 60]
    refused = await desk.api.http.put(
        f"/api/v1/topics/{desk.topic}", json=desk.topic_form(waiting_minutes=0), headers={"If-Match": "*"}
    )
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/waiting_minutes")


async def test_an_unknown_queue_of_a_topic_is_still_named(desk):
    form = {**desk.topic_form(), "queue": "no-such"}
    answer = await desk.api.http.put(f"/api/v1/topics/{desk.topic}", json=form, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/queue")


@pytest.mark.parametrize("topic", [None, "of-no-directory"])
async def test_a_wait_without_a_deadline_gets_its_own_from_its_beginning(desk, admin, topic):
    """Of the release before, and of a topic older than the directory."""
    request = await desk.register()
    since = datetime.fromisoformat((await desk.ask(request))["waiting_since"])
    sql = (
        "UPDATE crm.request SET waiting_due = NULL, topic = coalesce(%s, topic), waiting_since = %s"
        " WHERE id = %s"
    )
    admin.execute(sql, [topic, since, request["id"]])
    await desk.sweep()
    norm = timedelta(minutes=60 if topic is None else DEFAULT_WAITING_MINUTES)
    assert due(await desk.card(request)) == since + norm
    assert await desk.told(desk.boss) == []
    admin.execute(sql, [topic, since - norm, request["id"]])
    await desk.sweep()
    assert await desk.told(desk.boss) == [(request["id"], "waiting_overdue")]


async def test_a_wait_on_a_topic_older_than_the_directory_has_the_default(desk, admin):
    request = await desk.register()
    admin.execute("UPDATE crm.request SET topic = 'of-no-directory' WHERE id = %s", [request["id"]])
    waiting = await desk.ask(request)
    norm = timedelta(minutes=DEFAULT_WAITING_MINUTES)
    assert due(waiting) - datetime.fromisoformat(waiting["waiting_since"]) == norm


async def test_the_board_counts_who_is_silent_beside_what_is_overdue(desk, admin):
    requests = [await desk.register() for _ in range(2)]
    for request in requests:
        await desk.ask(request)
    await late(admin, desk, requests[0])
    board = (await desk.api.get("/api/v1/reports/board")).json()["items"]
    (queue,) = [row for row in board if row["queue"] == desk.topic]
    assert (queue["waiting"], queue["waiting_overdue"], queue["overdue"]) == (2, 1, 0)


async def test_what_is_overdue_is_listed_by_its_deadline(desk, admin):
    untaken, unsolved, silent, _, done = [await desk.register() for _ in range(5)]
    for request in (unsolved, done):
        await desk.move(request, "take", operator=desk.operator)
    await desk.move(done, "close", resolution="done")
    await desk.ask(silent)
    await late(admin, desk, silent)
    past = "UPDATE crm.request SET {}_due = now() - '1 min'::interval WHERE id = ANY(%s::uuid[])"
    admin.execute(past.format("reaction"), [[untaken["id"], unsolved["id"]]])
    admin.execute(past.format("solution"), [[unsolved["id"], silent["id"], done["id"]]])

    async def listed(deadline):
        answer = await desk.api.get(f"{REQUESTS}?unit={desk.unit}&overdue={deadline}")
        return [each["id"] for each in answer.json()["items"]]

    assert await listed("reaction") == [untaken["id"]]
    assert await listed("solution") == [unsolved["id"]]
    assert await listed("waiting") == [silent["id"]]
    refused = await desk.api.get(f"{REQUESTS}?overdue=never")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "?overdue"


async def test_pages_of_what_is_overdue_go_on_with_it(desk, admin):
    requests = [await desk.register() for _ in range(3)]
    admin.execute(
        "UPDATE crm.request SET reaction_due = now() - '1 min'::interval WHERE id = ANY(%s::uuid[])",
        [[request["id"] for request in requests[1:]]],
    )
    first = (await desk.api.get(f"{REQUESTS}?unit={desk.unit}&overdue=reaction&limit=1")).json()
    second = (await desk.api.get(first["next"])).json()
    found = [each["id"] for page in (first, second) for each in page["items"]]
    assert found == [requests[2]["id"], requests[1]["id"]]


async def test_the_window_tells_until_when_the_customer_is_waited_for(desk, admin):
    form = {"kind": "person", "name": f"Иван {desk.n}"}
    customer = (await desk.post("customers", form)).json()["id"]
    request = await desk.register(customer_id=customer)
    waiting = await desk.ask(request)
    window = (await desk.api.get(f"/api/v1/customers/{customer}/window")).json()
    assert [each["waiting_due"] for each in window["open_requests"]] == [waiting["waiting_due"]]


async def test_the_topics_of_a_new_installation_have_a_norm_each(own):
    topics = (await own.get("/api/v1/topics")).json()["items"]
    norms = {each["content"]["calendar"]: each["content"]["waiting_minutes"] for each in topics}
    assert (len(topics), norms) == (17, {"always": 1440, "office": 2700})
    for topic in topics:
        newest = (await own.get(f"/api/v1/topics/{topic['content']['code']}/versions")).json()["items"][0]
        assert newest == topic


# The statements of the release before, word for word.
OLD_ENTRY = (
    "SELECT to_jsonb(t) - '{version,changed_at,changed_by}'::text[] FROM crm.topic t WHERE t.code = %s"
)
OLD_SETTING = """
SELECT to_json(t)::text, t.version FROM crm.topic t JOIN crm.queue q ON q.code = t.queue WHERE t.code = %s
"""
OLD_LOCK = "SELECT t.version FROM crm.topic t WHERE t.code = %s FOR UPDATE"
OLD_NAMES = (
    "code, active, title, queue, line, priority, sla, calendar, importance, skill, scenario, templates,"
    " version, changed_at, changed_by"
)
_OLD_HISTORY = """
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'topics', k.code, k.version, k.changed_at, k.changed_by,
       to_jsonb(k) - '{version,changed_at,changed_by}'::text[] FROM kept k
"""
OLD_INSERT = f"""
WITH kept AS (
    INSERT INTO crm.topic SELECT (jsonb_populate_record(NULL::crm.topic, %(row)s)).* RETURNING *
) {_OLD_HISTORY}"""
OLD_REPLACE = f"""
WITH kept AS (
    UPDATE crm.topic t SET ({OLD_NAMES}) =
        (SELECT {OLD_NAMES} FROM jsonb_populate_record(NULL::crm.topic, %(row)s))
    WHERE t.code = %(code)s RETURNING t.*
) {_OLD_HISTORY}"""  # noqa: S608 - of constants
OLD_PAUSE = (
    "UPDATE crm.request SET status = 'waiting', waiting_since = now() - '90 d'::interval WHERE id = %s"
)


@pytest.fixture
def before(postgres_server):
    """A database as the release before left it, with its URL maker."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        ensure_roles(connection, dict.fromkeys(Role, postgres_server.password))
        ensure_database(connection, "waiting")
        known = [migration for migration in load() if migration.version < 129]
        migrate(postgres_server.url("waiting", Role.OWNER.value), known)
        yield lambda role: postgres_server.url("waiting", role.value)
        connection.execute("DROP DATABASE waiting WITH (FORCE)")


async def test_the_release_before_serves_its_topics_until_silence_is_told(before, start_api):
    with psycopg.connect(before(Role.APP), autocommit=True, prepare_threshold=0) as old:
        (known,) = old.execute(OLD_ENTRY, ["cards"]).fetchone()
        migrate(before(Role.OWNER))
        for statement in (OLD_ENTRY, OLD_SETTING, OLD_LOCK):
            assert old.execute(statement, ["cards"]).fetchone() is not None
        assert old.execute(OLD_ENTRY, ["cards"]).fetchone() == (known,)
        stamp = {"changed_at": "2026-11-01T00:00:00Z", "changed_by": "admin"}
        for code, version, statement in (("cards", 3, OLD_REPLACE), ("new", 1, OLD_INSERT)):
            row = psycopg.types.json.Jsonb({**known, **stamp, "code": code, "version": version, "line": 2})
            old.execute(statement, {"row": row, "code": code})
            assert old.execute(OLD_ENTRY, [code]).fetchone() == ({**known, "code": code, "line": 2},)
    async with start_api(before(Role.APP)) as api:
        desk = await Asking(api, "1").staffed(waiting_minutes=60)
        request, other = [await desk.register() for _ in range(2)]
        await desk.ask(request)
        await desk.move(other, "take", operator=desk.operator)
        with psycopg.connect(before(Role.OWNER), autocommit=True) as owner:
            owner.execute(OLD_PAUSE, [other["id"]])
            owner.execute("UPDATE crm.request SET waiting_due = now() WHERE id = %s", [request["id"]])
            await desk.sweep()
            assert await desk.told(desk.boss) == []  # hosts of the release before could not show it
            migrate(before(Role.OWNER), finish=True)
            assert owner.execute("SELECT to_regclass('crm.topic')").fetchone() == (None,)
        await desk.sweep()
        assert await desk.told(desk.boss) == [(other["id"], "waiting_overdue")]
        assert due(await desk.card(request)) > datetime.now(
            UTC
        )  # what it had may have been of an earlier wait
        norms = {
            code: (await api.get(f"/api/v1/topics/{code}")).json()["content"]["waiting_minutes"]
            for code in ("cards", "new", "general", "pos", desk.topic)
        }
        assert norms == {"cards": None, "new": None, "general": 2700, "pos": 1440, desk.topic: 60}

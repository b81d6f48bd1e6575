"""The audit log on a real PostgreSQL: nothing done or shown without an entry, nothing changed unseen."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import threading

import psycopg
import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.audit import sealing
from app.audit.chain import Fault
from app.audit.model import Entry, Kind, Notice
from app.audit.spool import Spool
from app.audit.verification import head_line, verify_database
from app.cli import app as commands
from app.devserver import create_crm_database
from app.roles import Role

pytestmark = pytest.mark.safety

CUSTOMERS, REQUESTS, ENTRIES = "/api/v1/customers", "/api/v1/requests", "/api/v1/audit/entries"
WAIT_SECONDS = 120.0
AUDITOR = Principal("auditor", frozenset({Held.AUDITOR}))
OPERATOR = Principal("petrova", frozenset({Held.OPERATOR}), ("north",))


def asking(principal):
    return acting_as(access_of(principal))


@pytest.fixture
def base(postgres_server, request):
    """A database whose log nobody else writes to."""
    return create_crm_database(postgres_server, f"audit_{abs(hash(request.node.name)) % 10**9}")


@pytest.fixture
def owner(base):
    """Whoever may do anything to the rows."""
    with psycopg.connect(base.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def app_role(base):
    with psycopg.connect(base.url(Role.APP), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def api(base, start_api):
    async with start_api(base.url(), base.url()) as api:
        yield api


def verified(base, published=()):
    with psycopg.connect(base.url(Role.AUDIT), autocommit=True) as connection:
        return verify_database(connection, published)


def faults(report):
    return [(each.site, each.position, each.fault) for each in report.breaks]


def waiting(owner, kind):
    rows = owner.execute(
        "SELECT principal, operation, status, subjects, unit, site FROM crm.audit_pending WHERE kind = %s",
        (kind,),
    )
    return rows.fetchall()


async def until_waiting(owner, kind, count=1):
    async with asyncio.timeout(WAIT_SECONDS):
        while len(waiting(owner, kind)) < count:
            await asyncio.sleep(0.05)
    return waiting(owner, kind)


async def make(api, company, count=1):
    answers = [await api.post(CUSTOMERS, company(inn=None, kpp=None, ogrn=None)) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {201}
    return answers[0].json()


async def test_a_write_and_its_entry_are_one_transaction(api, owner, company):
    with asking(OPERATOR):
        card = await make(api, company)
        refused = await api.http.patch(f"{CUSTOMERS}/{card['id']}", json={}, headers={"If-Match": '"7"'})
        changed = await api.http.patch(
            f"{CUSTOMERS}/{card['id']}", json={"stage": "lead"}, headers={"If-Match": "*"}
        )
    assert (refused.status_code, changed.status_code) == (412, 200)
    subject = f"customers/{card['id']}"
    assert waiting(owner, "write") == [
        ("petrova", "POST /api/v1/customers", 201, [subject], "north", "dc1"),
        ("petrova", f"PATCH /api/v1/{subject}", 200, [subject], "north", "dc1"),
    ]


async def test_whoever_is_shown_a_card_is_recorded(api, owner, company):
    card = await make(api, company)
    with asking(OPERATOR):
        assert (await api.get(f"{CUSTOMERS}/{card['id']}")).status_code == 200
        assert (await api.get(f"{CUSTOMERS}?limit=1")).status_code == 200
        assert (await api.get(f"{CUSTOMERS}/search?q={card['name']}")).status_code == 200
        assert (await api.get(f"{CUSTOMERS}/00000000-0000-0000-0000-000000000001")).status_code == 404
        assert (await api.get("/api/v1/topics")).status_code == 200
    subject = f"customers/{card['id']}"
    assert await until_waiting(owner, "disclosure", 3) == [
        ("petrova", f"GET /api/v1/{subject}", 200, [subject], "north", "dc1"),
        ("petrova", "GET /api/v1/customers", 200, [subject], "north", "dc1"),
        ("petrova", "GET /api/v1/customers/search", 200, [subject], "north", "dc1"),
    ]


async def test_whoever_is_shown_a_purchase_is_recorded_with_the_card_it_was_made_with(
    base, owner, start_api, company
):
    """Under row-level security, as the only role that reads single purchases by their id."""
    feed, key = "/api/v1/card-transactions", base64.b64encode(bytes(32)).decode()
    purchase = {
        "station": "АЗС-1", "product": "DT", "currency": "RUB", "quantity": "1.000", "amount": "1.00",
        "occurred_at": "2026-01-02T00:04:05Z",
    }  # fmt: skip
    async with start_api(base.url(), base.url(), card_keys=f"1:{key}") as api:
        form = {"number": "7006010000000016", "customer_id": (await make(api, company))["id"]}
        card = (await api.post("/api/v1/cards", form)).json()
        with asking(Principal("terminal", frozenset({Held.PROCESSING}))):
            for id_, token in {"p:1": card["token"], "p:2": "tok_unknown"}.items():
                kept = {"processing_id": id_, "card_token": token, **purchase}
                assert (await api.post(feed, kept)).status_code == 201
                answer = await api.get(f"{feed}/{id_}")
                assert (answer.status_code, answer.json()) == (200, kept)
        assert [(row[1], row[3]) for row in await until_waiting(owner, "disclosure", 2)] == [
            (f"GET {feed}/p:1", [f"cards/{card['id']}"]),
            (f"GET {feed}/p:2", []),
        ]


async def test_whoever_changes_a_directory_is_recorded_with_its_entry(api, owner):
    title = dict.fromkeys(("ru", "en", "kk"), "Отдел")
    unit = {"code": "north.1", "title": title}
    with asking(Principal("admin", frozenset({Held.ADMINISTRATOR}))):
        assert (await api.post("/api/v1/units", unit)).status_code == 201
        changed = await api.http.put("/api/v1/units/north.1", json=unit, headers={"If-Match": "*"})
        assert changed.status_code == 200
    with asking(OPERATOR):
        assert (await api.http.put("/api/v1/units/north.1", json=unit)).status_code == 403
        assert (await api.http.put("/api/v1/units/4111111111111111", json=unit)).status_code == 403
    entry = ["units/north.1"]
    assert [(row[1], row[3]) for row in waiting(owner, "write")] == [
        ("POST /api/v1/units", entry),
        ("PUT /api/v1/units/north.1", entry),
    ]
    refused = [row[3] for row in await until_waiting(owner, "refusal", 2)]
    assert refused == [entry, ["units/411111******1111"]]


async def test_a_refusal_is_recorded(api, owner):
    with asking(AUDITOR):
        assert (await api.get("/api/v1/card-transactions/x")).status_code == 403
    ((principal, operation, status, *_),) = await until_waiting(owner, "refusal")
    assert (principal, operation, status) == ("auditor", "GET /api/v1/card-transactions/x", 403)


async def test_what_cannot_be_recorded_is_not_shown(base, start_api, company, tmp_path):
    async with start_api(base.url(), base.url(), audit_directory=str(tmp_path), audit_backlog=2) as api:
        card = await make(api, company)
        api.app.state.recorder._waiting += 2  # as after half a minute without a primary
        answer = await api.get(f"{CUSTOMERS}/{card['id']}")
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer.headers["Retry-After"]
        assert card["name"] not in answer.text
        assert (await api.post(CUSTOMERS, company())).status_code == 201, "writes carry their own entries"


async def test_a_full_disk_shows_nothing(api, company, monkeypatch):
    card = await make(api, company)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "segment", full)
    answer = await api.get(f"{CUSTOMERS}/{card['id']}")
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert card["name"] not in answer.text


async def test_disclosures_outlive_the_process_and_an_away_primary(base, owner, start_api, company, tmp_path):
    """A process is killed with entries in its spool; the next one to start delivers them, once."""
    async with start_api(base.url(), base.url(), audit_directory=str(tmp_path)) as api:
        card = await make(api, company)
        recorder = api.app.state.recorder
        recorder._task.cancel()  # nothing is delivered any more
        assert (await api.get(f"{CUSTOMERS}/{card['id']}")).status_code == 200
        assert await recorder._deliver(), "delivered, but as if the answer had been lost:"
        (directory,) = tmp_path.iterdir()
        segment = recorder._spool.segment()
        for entry in _last(owner):
            segment.append(entry)
        os.write(segment._file, b'{"id": "019')  # torn by the end
        os.close(recorder._spool._lock)  # what the kernel does with a killed process
        recorder._task = None
    async with start_api(base.url(), base.url(), audit_directory=str(tmp_path)):
        notices = await until_waiting(owner, "notice", 2)
        assert directory not in set(tmp_path.iterdir())
    assert f"{Notice.TAKEN_OVER}, 1 entries torn" in {operation for _, operation, *_ in notices}
    with psycopg.connect(base.url(Role.APP)) as connection:
        sealing.seal_once(connection)
    shown = owner.execute("SELECT count(*) FROM crm.audit_entry WHERE kind = 'disclosure'").fetchone()
    assert shown == (1,)
    assert verified(base).sound


def _last(owner):
    with owner.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SELECT * FROM crm.audit_pending WHERE kind = 'disclosure'")
        for row in cursor:
            yield Entry(**{**row, "kind": Kind(row["kind"]), "subjects": tuple(row["subjects"])})


async def test_entries_are_sealed_into_chains_that_verify(api, base, app_role, company):
    await make(api, company, 7)
    assert sealing.seal_once(app_role, 5) == 5
    assert sealing.seal_once(app_role, 5) == 2
    report = verified(base)
    assert (report.sound, report.waiting) == (True, 0)
    assert [(head.site, head.position) for head in report.heads] == [("dc1", 7)]


async def test_each_site_has_a_chain_of_its_own(base, start_api, app_role, company):
    for site in ("dc1", "dc2", "dc1"):
        async with start_api(base.url(), base.url(), site=site) as api:
            await make(api, company, 2)
    sealing.seal_once(app_role)
    report = verified(base)
    assert report.sound
    assert [(head.site, head.position) for head in report.heads] == [("dc1", 4), ("dc2", 2)]


@pytest.fixture
async def sealed(api, app_role, company):
    """Five entries of dc1."""
    await make(api, company, 5)
    assert sealing.seal_once(app_role) == 5


def tamper(owner, statement):
    owner.execute("ALTER TABLE crm.audit_entry DISABLE TRIGGER audit_entry_append_only")
    owner.execute(statement)
    owner.execute("ALTER TABLE crm.audit_entry ENABLE TRIGGER audit_entry_append_only")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE crm.audit_entry SET principal = 'x' WHERE position = 3", [("dc1", 3, Fault.CHANGED)]),
        (
            "UPDATE crm.audit_entry SET subjects = '{}' WHERE position IN (2, 4)",
            [("dc1", 2, Fault.CHANGED), ("dc1", 4, Fault.CHANGED)],
        ),
        ("UPDATE crm.audit_entry SET at = at + '1 us' WHERE position = 5", [("dc1", 5, Fault.CHANGED)]),
        ("DELETE FROM crm.audit_entry WHERE position = 2", [("dc1", 3, Fault.MISSING)]),
        (
            """UPDATE crm.audit_entry SET position = -position WHERE position IN (2, 3);
               UPDATE crm.audit_entry SET position = 5 + position WHERE position < 0""",
            [("dc1", 2, Fault.CHANGED), ("dc1", 3, Fault.CHANGED), ("dc1", 4, Fault.CHANGED)],
        ),
        ("DELETE FROM crm.audit_entry WHERE position > 3", [("dc1", 5, Fault.TRUNCATED)]),
        ("TRUNCATE crm.audit_entry", [("dc1", 5, Fault.TRUNCATED)]),
    ],
    ids=["changed", "emptied", "moved in time", "removed", "reordered", "cut off", "all gone"],
)
async def test_tampering_is_found(sealed, base, owner, statement, found):
    published = verified(base).heads
    tamper(owner, statement)
    assert faults(verified(base, published)) == found


async def test_the_owner_is_warned_and_the_apis_role_cannot(api, owner, app_role, company):
    await make(api, company)
    sealing.seal_once(app_role)
    for statement in ("UPDATE crm.audit_entry SET principal = 'x'", "DELETE FROM crm.audit_entry"):
        for connection in (owner, app_role):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    for statement in ("SELECT FROM crm.audit_pending", "DELETE FROM crm.audit_pending"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_role.execute(statement)


async def test_sealers_at_once_make_one_chain(api, base, company):
    await make(api, company, 40)
    stop = threading.Event()

    def seal():
        with psycopg.connect(base.url(Role.APP)) as connection:
            while not stop.is_set():
                sealing.seal_once(connection, 3)

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(WAIT_SECONDS):
        while verified(base).waiting:
            await asyncio.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    report = verified(base)
    assert (report.sound, report.heads[0].position) == (True, 40)


async def test_a_sealer_that_dies_in_a_batch_leaves_an_unbroken_chain(api, base, owner, company):
    """What a failover does: the session ends before, in, or after the transaction of a batch."""
    await make(api, company, 6)
    with psycopg.connect(base.url(Role.APP)) as connection:
        sealing.seal_once(connection, 2)
        with contextlib.suppress(psycopg.OperationalError), connection.transaction():
            connection.execute("SELECT * FROM crm.seal_audit(2)")
            owner.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
            connection.execute("SELECT")
    report = verified(base)
    assert (report.sound, report.heads[0].position, report.waiting) == (True, 2, 4)
    with psycopg.connect(base.url(Role.APP)) as connection:
        assert sealing.seal_once(connection) == 4
    assert verified(base).heads[0].position == 6


async def test_the_loop_goes_on_after_a_lost_connection(api, base, owner, company, monkeypatch):
    monkeypatch.setattr(sealing, "PAUSE_SECONDS", 0.05)
    stop = threading.Event()
    thread = threading.Thread(target=sealing.run_until, args=(base.url(Role.APP), stop))
    thread.start()
    try:
        for _ in range(2):
            await make(api, company, 2)
            async with asyncio.timeout(WAIT_SECONDS):
                while verified(base).waiting:
                    await asyncio.sleep(0.05)
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%seal_audit%'"
                " AND pid <> pg_backend_pid()"
            )
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
    assert verified(base).heads[0].position == 4


async def test_auditors_ask_who_saw_a_card_and_heads_see_their_own_people(api, owner, app_role, company):
    card = await make(api, company)
    south = Principal("sidorov", frozenset({Held.OPERATOR}), ("south",))
    for who in (OPERATOR, south):
        with asking(who):
            await api.get(f"{CUSTOMERS}/{card['id']}")
    await until_waiting(owner, "disclosure", 2)
    sealing.seal_once(app_role)
    question = f"{ENTRIES}?subject=customers/{card['id']}&kind=disclosure"
    with asking(AUDITOR):
        answer = await api.get(question)
        heads = (await api.get("/api/v1/audit/heads")).json()["items"]
    assert [item["principal"] for item in answer.json()["items"]] == ["sidorov", "petrova"]
    assert heads[0]["position"] >= 3
    with asking(Principal("head", frozenset({Held.HEAD}), ("north",))):
        assert {item["principal"] for item in (await api.get(question)).json()["items"]} == {"petrova"}
    with asking(OPERATOR):
        assert (await api.get(question)).status_code == 403


async def test_pages_of_entries_follow_each_other(api, app_role, company):
    await make(api, company, 5)
    sealing.seal_once(app_role)
    positions, address = [], f"{ENTRIES}?limit=2&kind=write"
    with asking(AUDITOR):
        while address:
            page = (await api.get(address)).json()
            positions += [item["position"] for item in page["items"]]
            address = page["next"]
    assert positions == [5, 4, 3, 2, 1]


async def test_the_command_verifies_against_heads_kept_elsewhere(api, base, owner, company, tmp_path):
    await make(api, company, 3)
    with psycopg.connect(base.url(Role.APP)) as connection:
        sealing.seal_once(connection)
    await make(api, company)
    kept = tmp_path / "heads"
    run = CliRunner().invoke
    sound = run(commands, ["audit", "verify", "--url", base.url(Role.AUDIT)])
    assert sound.exit_code == 0, sound.output
    assert json.loads(sound.stdout.splitlines()[0])["position"] == 3
    assert "1 entries wait" in sound.stderr
    kept.write_text("\n".join(map(head_line, verified(base).heads)))
    tamper(owner, "DELETE FROM crm.audit_entry WHERE position = 3")
    broken = run(commands, ["audit", "verify", "--url", base.url(Role.AUDIT), "--published", str(kept)])
    assert broken.exit_code == 1
    assert "BROKEN dc1 3: truncated" in broken.stderr

"""Bulk loads through the HTTP API (C2, C3, C5): streamed, cleansed, merged, every refused row returned."""

from __future__ import annotations

import asyncio
import json
import time

import psycopg
from psycopg.conninfo import make_conninfo
from starlette.requests import ClientDisconnect
from typer.testing import CliRunner

from app.cli import app
from app.imports import load_sql
from app.imports import loader as loader_module
from app.imports.loader import Loader
from app.imports.rows import read_rows

IMPORTS = "/api/v1/imports"
CUSTOMERS = "/api/v1/customers"
NDJSON, CSV = "application/x-ndjson", "text/csv"


async def send(api, content, key, media_type=NDJSON):
    headers = {"Idempotency-Key": key, "Content-Type": media_type}
    return await api.http.post(IMPORTS, content=content, headers=headers)


async def load(api, crm, content, key, media_type=NDJSON):
    """Send, load, and return the job as it ended."""
    answer = await send(api, content, key, media_type)
    assert answer.status_code == 202, answer.text
    with Loader(crm.url()) as loader:
        await asyncio.to_thread(loader.drain)
    return (await api.get(answer.headers["Location"])).json()


def ndjson(*rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def figures(job):
    return {name: job[name] for name in ("created", "enriched", "unchanged", "rejected")}


async def test_a_load_cleanses_as_a_form_does_and_finds_duplicates_within_itself(api, crm, company, number):
    phone = f"8 (912) {number % 1000:03}-45-67"
    first = company(name="  ООО  «Ромашка»»", contacts=[{"kind": "phone", "value": phone}])
    again = company(name="Ромашка", contacts=[{"kind": "email", "value": "Info@Romashka.RU"}])
    job = await load(api, crm, ndjson(first, again, again), f"load-{number}")
    assert job["status"] == "done"
    assert job["received_rows"] == 3
    assert figures(job) == {"created": 1, "enriched": 1, "unchanged": 1, "rejected": 0}
    refused = await api.post(CUSTOMERS, first)
    card = (await api.get(refused.json()["existing"])).json()
    assert card["name"] == 'ООО "Ромашка"'
    assert [contact["value"] for contact in card["contacts"]] == [
        f"+7912{number % 1000:03}4567",
        "info@romashka.ru",
    ]
    assert card["given"]["name"] == "  ООО  «Ромашка»»"
    for query in (first["inn"], phone, "info@romashka.ru"):
        found = await api.http.get(f"{CUSTOMERS}/search", params={"q": query, "limit": 50})
        assert card["id"] in [item["customer"]["id"] for item in found.json()["items"]]


async def test_a_partial_load_enriches_cards_and_repeated_it_changes_nothing(api, crm, company, number):
    made = await api.post(CUSTOMERS, company(ogrn=None, stage="lead"))
    row = company(
        name="Чужое имя", external_id=f"erp-{number}", contacts=[{"kind": "email", "value": "a@b.ru"}]
    )
    job = await load(api, crm, ndjson(row), f"first-{number}")
    assert figures(job) == {"created": 0, "enriched": 1, "unchanged": 0, "rejected": 0}
    card = (await api.get(made.headers["Location"])).json()
    assert card["name"] == made.json()["name"]
    assert (card["ogrn"], card["external_id"], card["stage"]) == (row["ogrn"], f"erp-{number}", "customer")
    assert [contact["value"] for contact in card["contacts"]] == ["a@b.ru"]
    assert card["version"] == 2
    job = await load(api, crm, ndjson(row), f"second-{number}")
    assert figures(job) == {"created": 0, "enriched": 0, "unchanged": 1, "rejected": 0}
    assert (await api.get(made.headers["Location"])).json() == card


async def test_rows_without_an_inn_are_known_by_external_id_or_by_name_and_contact(api, crm, number):
    known = {"kind": "person", "name": "Иван", "external_id": f"p-{number}"}
    phone = {"kind": "phone", "value": f"+7916{number % 10_000_000:07}"}
    met = {"kind": "person", "name": "Пётр Иванов", "contacts": [phone]}
    other = {**met, "name": "Анна Иванова"}
    first = await load(api, crm, ndjson(known, met, other), f"one-{number}")
    again = await load(api, crm, ndjson({**known, "contacts": [phone]}, met, other), f"two-{number}")
    assert figures(first)["created"] == 3
    assert figures(again) == {"created": 0, "enriched": 1, "unchanged": 2, "rejected": 0}


async def test_every_refused_row_is_returned_with_its_reason(api, crm, company, number):
    good = company()
    lines = [
        b"{not json",
        ndjson(company(inn="7707083894")),
        ndjson({"kind": "person", "name": "Некто"}),
        ndjson(good),
        b'{"kind": "person", "name": "\xff\xfe"}',
        ndjson({"kind": "person", "name": "x", "unknown": 1}),
        ndjson(company(inn="7707083893")),  # the OGRN of the good row under another INN
        b"[1, 2]",
    ]
    job = await load(api, crm, b"\r\n".join(lines), f"hostile-{number}")
    assert figures(job) == {"created": 1, "enriched": 0, "unchanged": 0, "rejected": 7}
    address = f"{IMPORTS}/{job['id']}/rejections?limit=4"
    found = []
    while address:
        page = (await api.get(address)).json()
        found += page["items"]
        address = page["next"]
    codes = {item["row"]: item["errors"][0]["code"] for item in found}
    assert codes == {
        1: "json",
        2: "inn-checksum",
        3: "no-identity",
        5: "json",
        6: "extra-forbidden",
        7: "ogrn-of-another",
        8: "model-type",
    }
    assert found[0]["line"] == "{not json"
    assert "\\xff" in found[3]["line"]


async def test_an_ogrn_that_the_base_knows_under_another_inn_is_refused(api, crm, company, number):
    good = company()
    await load(api, crm, ndjson(good), f"owner-{number}")
    other = company(inn="7707083893", ogrn=good["ogrn"])
    beside = {"kind": "person", "name": "Рядом", "external_id": f"beside-{number}"}
    job = await load(api, crm, ndjson(beside, other), f"thief-{number}")
    assert figures(job) == {"created": 1, "enriched": 0, "unchanged": 0, "rejected": 1}
    (refused,) = (await api.get(f"{IMPORTS}/{job['id']}/rejections")).json()["items"]
    assert (refused["row"], refused["errors"][0]["code"]) == (2, "ogrn-of-another")


async def test_an_enriched_card_is_found_by_all_that_it_gained(api, crm, company, number):
    made = await api.post(CUSTOMERS, company(address=None))
    phone = {"kind": "phone", "value": f"+7917{number % 10_000_000:07}", "person": f"Гаврюшкин{number}"}
    address = f"г Тверь, ул Загадочная{number}, д 5"
    row = company(address=address, external_id=f"gain-{number}", contacts=[phone, phone])
    job = await load(api, crm, ndjson(row, {**row, "stage": "lead"}), f"gain-{number}")
    assert figures(job) == {"created": 0, "enriched": 1, "unchanged": 1, "rejected": 0}
    for query in (phone["value"], f"гаврюшкин{number}", f"gain-{number}"):
        found = await api.http.get(f"{CUSTOMERS}/search", params={"q": query, "fresh": True})
        assert [item["customer"]["id"] for item in found.json()["items"]] == [made.json()["id"]]
    keys = "SELECT count(*) FROM crm.customer_key WHERE customer_id = %s AND kind = 'address'"
    with psycopg.connect(crm.admin_url) as connection:
        assert connection.execute(keys, (made.json()["id"],)).fetchone() == (1,)


async def test_new_words_have_the_variants_that_a_search_asks_for(api, crm, admin, number):
    words = [f"длиннослово{number}", f"ооп{number}", "ёжь"]
    await load(
        api,
        crm,
        ndjson({"kind": "person", "name": " ".join(words), "external_id": f"words-{number}"}),
        f"words-{number}",
    )
    for word in [word.replace("ё", "е") for word in words]:
        held = admin.execute("SELECT variant FROM crm.name_variant WHERE word = %s", (word,)).fetchall()
        asked = admin.execute("SELECT DISTINCT unnest(crm.word_variants(%s))", (word,)).fetchall()
        assert sorted(held) == sorted(asked) != []


async def test_signs_that_a_copy_has_for_itself_are_loaded_as_they_came(api, crm, number):
    row = {"kind": "company", "name": "Null «N»\t*ТОО*\\", "external_id": f"C:\\new\\.{number}"}
    await load(api, crm, ndjson(row), f"signs-{number}")
    listed = await api.http.get(CUSTOMERS, params={"external_id": row["external_id"]})
    (card,) = listed.json()["items"]
    assert (card["external_id"], card["given"]) == (row["external_id"], {"name": row["name"]})
    assert (card["name"], card["contacts"], card["address"]) == ('Null "N" ТОО', [], None)
    found = await api.http.get(f"{CUSTOMERS}/search", params={"q": "null", "limit": 50})
    assert card["id"] in [item["customer"]["id"] for item in found.json()["items"]]


async def test_a_csv_of_a_spreadsheet(api, crm, company, number):
    row = company()
    text = (
        "\ufeffkind;name;inn;kpp;phone;phone_2;email;person\r\n"
        f'company;"ООО ""Ромашка; {number}""";{row["inn"]};770101001;8 495 123-45-67;;a@b.ru;Иванов\r\n'
        "company;мало ячеек\r\n"
        f'person;"Обрыв\r\nстроки;;;;;;\r\n'
    )
    job = await load(api, crm, text.encode(), f"csv-{number}", CSV)
    assert (job["received_rows"], figures(job)["created"], figures(job)["rejected"]) == (4, 1, 3)
    card = (await api.get((await api.post(CUSTOMERS, row)).json()["existing"])).json()
    assert card["name"] == f'ООО "Ромашка; {number}"'
    assert card["contacts"] == [
        {"kind": "phone", "value": "+74951234567", "person": "Иванов"},
        {"kind": "email", "value": "a@b.ru", "person": "Иванов"},
    ]


async def test_an_unknown_column_or_media_type_is_refused_at_once(api, number):
    answer = await send(api, b"kind,nome\nperson,x\n", f"column-{number}", CSV)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/header")
    answer = await send(api, b"{}", f"media-{number}", "application/json")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_a_broken_stream_goes_on_where_it_broke_off(api, crm, number):
    rows = [
        {"kind": "person", "name": f"Имя {n} " + "я" * 900, "external_id": f"{number}-{n}"}
        for n in range(1500)
    ]
    content = ndjson(*rows)
    assert len(content) > 2 << 20

    async def breaking():
        yield content[: 3 << 19]
        raise ClientDisconnect

    assert (await send(api, breaking(), f"broken-{number}")).status_code == 400
    with Loader(crm.url()) as loader:
        await asyncio.to_thread(loader.drain)  # what has come is loaded while the rest is still to come
    job = await load(api, crm, content, f"broken-{number}")
    assert (job["status"], job["received_bytes"], job["created"]) == ("done", len(content), 1500)
    other = await send(api, content.replace("Имя 1 ".encode(), "Имя 2 ".encode()), f"broken-{number}")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (await load(api, crm, content, f"broken-{number}"))["created"] == 1500


async def test_a_batch_that_dies_before_its_commit_is_loaded_once(api, crm, admin, number, monkeypatch):
    rows = [{"kind": "person", "name": "Имя", "external_id": f"dies-{number}-{n}"} for n in range(100)]
    answer = await send(api, ndjson(*rows), f"dies-{number}")
    assert answer.status_code == 202, answer.text
    deaths = iter([True])
    real = psycopg.Connection.execute

    def dying(connection, query, *args, **kwargs):
        if query == load_sql.ADVANCE and next(deaths, False):
            pid = connection.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        return real(connection, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", dying)
    with Loader(crm.url()) as loader:
        await asyncio.to_thread(loader.drain)
    job = (await api.get(answer.headers["Location"])).json()
    assert (job["status"], job["created"]) == ("done", 100)
    count = admin.execute(
        "SELECT count(*) FROM crm.customer WHERE external_id LIKE %s", (f"dies-{number}-%",)
    ).fetchone()
    assert count == (100,)


async def test_a_standby_met_on_the_way_is_left_again(api, crm, number):
    """As while a pool leads to one that is just being promoted."""
    met = []

    class Misled(Loader):
        def _open(self):
            connection = super()._open()
            connection.read_only = not met
            met.append(connection)
            return connection

    rows = [{"kind": "person", "name": "Имя", "external_id": f"standby-{number}"}]
    answer = await send(api, ndjson(*rows), f"standby-{number}")
    with Misled(crm.url()) as loader:
        await asyncio.to_thread(loader.drain)
    assert (await api.get(answer.headers["Location"])).json()["status"] == "done"
    assert [connection.closed for connection in met] == [True] * 3  # the misled one, its successor, a reader


async def test_a_batch_that_takes_long_to_cleanse_keeps_its_claim(api, crm, number, monkeypatch):
    """PostgreSQL ends what idles in a transaction; on a busy machine cleansing outlasts that limit."""

    def slow(*args):
        time.sleep(1)
        return read_rows(*args)

    monkeypatch.setattr(loader_module, "read_rows", slow)
    monkeypatch.setattr(loader_module, "STIR_SECONDS", 0.05)
    monkeypatch.setattr(loader_module, "RETRIES", 1)
    answer = await send(
        api, ndjson({"kind": "person", "name": "Имя", "external_id": f"slow-{number}"}), f"slow-{number}"
    )
    impatient = make_conninfo(crm.url(), options="-c idle_in_transaction_session_timeout=500ms")
    with Loader(impatient) as loader:
        await asyncio.to_thread(loader.drain)
    assert (await api.get(answer.headers["Location"])).json()["status"] == "done"


def test_a_file_from_the_shell_and_a_seeded_base_can_be_repeated(crm, number, tmp_path, monkeypatch, admin):
    file = tmp_path / "customers.ndjson"
    file.write_bytes(
        ndjson({"kind": "person", "name": "Имя", "external_id": f"shell-{number}"}) + b"\nwrong\n"
    )
    monkeypatch.setenv("CRM_DATABASE_URL", crm.url())
    runner = CliRunner()
    for _ in range(2):
        done = runner.invoke(app, ["import", str(file)])
        assert done.exit_code == 0, done.output
        assert "done: 2 rows, 1 created, 0 enriched, 0 unchanged, 1 rejected" in done.output
        assert "row 2: not valid JSON" in done.output
    for _ in range(2):
        assert runner.invoke(app, ["seed", "--customers", "50", "--number", "9"]).exit_code == 0
    seeded = "SELECT count(*) FROM crm.customer WHERE external_id ~ '^(erp|loyalty)-[0-9]{1,2}$'"
    assert admin.execute(seeded).fetchone() == (50,)

"""Letters and files of a request come by pages, as all lists do: however many, each once (R2)."""

from __future__ import annotations

import psycopg
import pytest

from app.access.principal import TRUSTED
from app.requests import attachments, correspondence
from tests.integration.app.desks import REQUESTS, Desk

LETTERS, FILES = 1_203, 503  # more than one answer ever held

ADD_LETTERS = """
INSERT INTO crm.request_message (id, request_id, direction, channel, author, body, created_at)
SELECT crm.new_id(), %s, 'in', 'chat', 'x', n, now() FROM generate_series(1, %s) AS n
"""
ADD_FILES = """
INSERT INTO crm.attachment (id, request_id, name, media_type, size, sha256, actor, created_at, content)
SELECT crm.new_id(), %s, n::text, 'text/plain', 4, sha256(int4send(n)), 'x', now(), int4send(n)
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
async def request_id(api, number, admin):
    desk = await Desk(api, number).open()
    id_, other = [(await desk.register())["id"] for _ in range(2)]
    for each in id_, other:
        admin.execute(ADD_LETTERS, [each, LETTERS])
        admin.execute(ADD_FILES, [each, FILES])
    return id_


STORED = {
    "messages": "SELECT id::text FROM crm.request_message WHERE request_id = %s ORDER BY id",
    "attachments": "SELECT id::text FROM crm.attachment WHERE request_id = %s ORDER BY id",
}


@pytest.mark.parametrize(("what", "there"), [("messages", LETTERS), ("attachments", FILES)])
async def test_every_one_is_reached_once_oldest_first(api, admin, request_id, what, there):
    stored = admin.execute(STORED[what], [request_id])
    first = (await api.get(f"{REQUESTS}/{request_id}/{what}")).json()
    assert len(first["items"]) == 50
    seen, address = [], f"{REQUESTS}/{request_id}/{what}?limit=200"
    while address is not None and len(seen) <= there:
        page = (await api.get(address)).json()
        assert 0 < len(page["items"]) <= 200
        seen += [each["id"] for each in page["items"]]
        address = page["next"]
    assert seen == [id_ for (id_,) in stored]
    assert len(seen) == there


@pytest.mark.parametrize("what", ["messages", "attachments"])
async def test_a_page_of_nothing_and_a_cursor_of_nobodys(api, number, what):
    desk = await Desk(api, number).open()
    empty = (await api.get(f"{REQUESTS}/{(await desk.register())['id']}/{what}")).json()
    assert empty == {"items": [], "next": None}
    address = f"{REQUESTS}/{(await desk.register())['id']}/{what}"
    for query, code in ("cursor=x", "cursor-invalid"), ("limit=0", "validation"), ("limit=201", "validation"):
        assert (await api.get(f"{address}?{query}")).json()["code"] == code
    nobodys = await api.get(f"{REQUESTS}/{'0' * 8}-0000-7000-8000-{'0' * 12}/{what}")
    assert nobodys.status_code == 404


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (correspondence.OF_REQUEST, "request_message_request_idx"),
        (attachments.OF_REQUEST, "attachment_request_idx"),
    ],
    ids=["messages", "attachments"],
)
async def test_a_page_is_read_off_an_index_in_its_order(crm, request_id, read, index):
    given = {
        **TRUSTED.parameters,
        "id": request_id,
        "above": request_id,
        "rows": 51,
        "trace": "x",
        "fresh": False,
    }
    with psycopg.connect(crm.url(), cursor_factory=psycopg.ClientCursor) as app:
        app.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")  # the table of a test is small
        plan = "\n".join(row[0] for row in app.execute(f"EXPLAIN (COSTS OFF) {read.sql}", given))
    assert index in plan, plan
    assert "Sort" not in plan, plan

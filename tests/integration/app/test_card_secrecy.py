"""No card number outside of the request that brought it: not in the database, its log, or the API's log.

A server of its own that logs every statement with its parameters; the API as served, at its most talkative.
"""

from __future__ import annotations

import subprocess

import httpx
import psycopg
import pytest
from stdnum import luhn

from app.devserver import THROWAWAY, create_crm_database, find_programs, running_server
from tests.integration.serving import serving

pytestmark = pytest.mark.safety

CARDS = "/api/v1/cards"


def card_number(digits):
    return digits + luhn.calc_check_digit(digits)


FIRST, SECOND, UNKNOWN = (card_number(f"70060198765432{n}") for n in range(3))


@pytest.fixture
def server():
    talkative = {"log_statement": "all", "log_parameter_max_length": "-1", "log_min_messages": "debug1"}
    with running_server({**THROWAWAY, **talkative}) as server:
        yield server


@pytest.fixture
def served(server, tmp_path):
    """An address, and where the API's output goes."""
    output = tmp_path / "output"
    settings = {"CRM_WORKERS": "1", "CRM_LOG_LEVEL": "DEBUG"}
    with serving(create_crm_database(server), output, **settings) as address:
        yield address, output


def _everything_that_can_be_done_with_a_number(address):
    """Rightly and wrongly; returns the answers."""
    with httpx.Client(base_url=address, timeout=120) as client:
        answers = []

        def post(path, body, key=None):
            headers = {"Idempotency-Key": key or f"key-{len(answers)}"}
            content = {"content": body} if isinstance(body, bytes) else {"json": body}
            answers.append(
                client.post(path, headers={**headers, "content-type": "application/json"}, **content)
            )
            return answers[-1]

        owner = post("/api/v1/customers", {"kind": "person", "name": "Иван"}).json()["id"]
        form = {"number": FIRST, "customer_id": owner}
        card = post(CARDS, form, key="issue").json()
        post(CARDS, form, key="issue")
        post(CARDS, form)
        post(CARDS, {**form, "number": SECOND}, key="issue")
        post(f"{CARDS}/search", {"number": FIRST})
        post(f"{CARDS}/search", {"number": UNKNOWN})
        post(f"{CARDS}/{card['id']}/replace", {"number": SECOND, "reason": "утеряна"})
        post(CARDS, {**form, "customer_id": card["id"], "number": UNKNOWN})
        post(CARDS, {**form, "number": UNKNOWN, "nmae": UNKNOWN})
        post(CARDS, f'{{"number": "{UNKNOWN}", "customer_id": '.encode())
        post(CARDS, f'{{"number": {UNKNOWN}, "customer_id": "{owner}"}}'.encode())
        post(f"{CARDS}/check", {"token": FIRST, "station": "x", "product": "x", "quantity": 1, "amount": 1})
        answers.extend(
            client.get(path)
            for path in (f"{CARDS}/{FIRST}", f"/nowhere/{FIRST}", f"{CARDS}/{card['id']}", f"{CARDS}?limit=5")
        )
        return answers


def _forms(number):
    """As it could be written: text, and text within hexadecimal bytes."""
    return (number.encode(), number.encode().hex().encode(), number.encode().hex().upper().encode())


def test_no_number_is_left_anywhere(server, served):
    address, output = served
    answers = _everything_that_can_be_done_with_a_number(address)
    assert [answer.status_code for answer in answers] == [
        *(201, 201, 201, 409, 422, 200, 200, 201, 422, 422, 400, 422, 422),
        *(422, 404, 200, 200),
    ]
    with psycopg.connect(server.url("crm"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        assert connection.execute("SELECT count(*) FROM crm.card").fetchone() == (2,)
    dump = subprocess.run(
        [find_programs() / "pg_dump", server.url("crm")], capture_output=True, check=True, timeout=300
    ).stdout
    places = {
        "the dump": dump,
        "the server's log": (server.directory / "log").read_bytes(),
        "the API's log": output.read_bytes(),
        **{f"answer {n}": answer.content for n, answer in enumerate(answers)},
        **{str(path): path.read_bytes() for path in (server.directory / "data").rglob("*") if path.is_file()},
    }
    assert b"open_write" in places["the server's log"], "it logs statements"
    assert b"/api/v1/cards" in places["the API's log"]
    assert FIRST[:6].encode() in dump
    for number in (FIRST, SECOND, UNKNOWN):
        assert [name for name, content in places.items() if any(f in content for f in _forms(number))] == []

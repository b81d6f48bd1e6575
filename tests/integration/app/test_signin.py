"""Signing in, tokens, service keys."""

from __future__ import annotations

import base64
import os

import pyotp
import pytest
from typer.testing import CliRunner

from app.access.operations import need
from app.cli import app as commands
from app.main import create_app
from app.settings import Settings

SECRET = base64.b64encode(os.urandom(32)).decode()
PASSWORD = "a long enough password"
TOKEN, CUSTOMERS = "/api/v1/oauth/token", "/api/v1/customers"


@pytest.fixture
def run(crm, monkeypatch):
    """A command of `python -m app access`; its output."""
    monkeypatch.setenv("CRM_DATABASE_URL", crm.url())
    monkeypatch.setenv("CRM_ACCESS_SECRET", SECRET)
    monkeypatch.setenv("CRM_NEW_PASSWORD", PASSWORD)

    def go(*arguments):
        result = CliRunner().invoke(commands, ["access", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    return go


@pytest.fixture
async def closed(crm, admin, start_api):
    """The API as in production: nobody gets in without proof."""
    # Keys of another secret, of an earlier test run on this database, could not be opened.
    admin.execute("DELETE FROM crm.signing_key")
    keys = f"1:{SECRET}"
    async with start_api(crm.url(), authentication="required", access_secret=SECRET, card_keys=keys) as api:
        yield api


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


async def sign_in(api, name, **changes):
    form = {"grant_type": "password", "username": name, "password": PASSWORD, **changes}
    return await api.http.post(TOKEN, data=form)


@pytest.mark.safety
async def test_a_password_gives_tokens_and_a_token_opens(run, closed, number):
    name = f"operator{number}"
    run("person", name, "Оператор", "--role", "operator", "--no-second-factor")
    answer = await sign_in(closed, name)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["token_type"], answer.headers["Cache-Control"]) == ("Bearer", "no-store")
    token = answer.json()["access_token"]
    assert (await closed.http.get(CUSTOMERS)).status_code == 401
    assert (await closed.http.get(CUSTOMERS, headers=bearer(token + "x"))).status_code == 401
    assert (await closed.http.get(CUSTOMERS, headers=bearer(token))).status_code == 200
    again = await closed.http.post(
        TOKEN, data={"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    )
    assert (await closed.http.get(CUSTOMERS, headers=bearer(again.json()["access_token"]))).status_code == 200
    misused = await closed.http.get(CUSTOMERS, headers=bearer(answer.json()["refresh_token"]))
    assert misused.status_code == 401


@pytest.mark.safety
async def test_the_second_factor_counts_once(run, closed, number):
    name = f"head{number}"
    address = run("person", name, "Руководитель", "--role", "head", "--unit", "north")
    code = pyotp.parse_uri(address).now()
    assert (await sign_in(closed, name)).status_code == 401
    assert (await sign_in(closed, name, otp=code)).status_code == 200
    assert (await sign_in(closed, name, otp=code)).status_code == 401, "it was used"


@pytest.mark.safety
async def test_five_failures_lock_even_the_right_password_out(run, closed, number, admin):
    name = f"victim{number}"
    run("person", name, "Оператор", "--role", "operator", "--no-second-factor")
    for _ in range(5):
        assert (await sign_in(closed, name, password="wrong")).status_code == 401
    assert (await sign_in(closed, name)).status_code == 401
    admin.execute("UPDATE crm.account SET locked_until = now() WHERE id = %s", (name,))
    assert (await sign_in(closed, name)).status_code == 200
    assert admin.execute("SELECT failures FROM crm.account WHERE id = %s", (name,)).fetchone() == (0,)


@pytest.mark.safety
async def test_an_unknown_name_is_answered_like_a_wrong_password(closed):
    answer = await sign_in(closed, "nobody-at-all")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.safety
async def test_a_service_key_opens_what_its_role_needs_until_it_is_disabled(run, closed, number):
    key = run("service", f"processing{number}", "Процессинг", "--role", "processing")
    await closed.app.state.keyring.refresh(patience=0)
    transaction = {
        "processing_id": f"p-{number}",
        "card_token": "tok_9f2c41d07a",
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "1",
        "amount": "60",
        "currency": "RUB",
        "occurred_at": "2026-01-02T03:04:05Z",
    }
    answer = await closed.post("/api/v1/card-transactions", transaction, **bearer(key))
    assert answer.status_code == 201, answer.text
    assert (await closed.http.get(CUSTOMERS, headers=bearer(key))).status_code == 403
    run("disable", f"processing{number}")
    await closed.app.state.keyring.refresh(patience=0)
    assert (await closed.post("/api/v1/card-transactions", transaction, **bearer(key))).status_code == 401


async def test_a_token_of_one_site_is_good_on_the_other(run, closed, crm, start_api, number):
    name = f"both{number}"
    run("person", name, "Оператор", "--role", "operator", "--no-second-factor")
    token = (await sign_in(closed, name)).json()["access_token"]
    kid = await closed.app.state.sign_in.rotate("test")
    async with start_api(crm.url(), site="dc2", authentication="required", access_secret=SECRET) as other:
        assert (await other.http.get(CUSTOMERS, headers=bearer(token))).status_code == 200
        keys = (await other.http.get("/api/v1/oauth/keys")).json()["keys"]
        assert kid in {key["kid"] for key in keys}
        assert len(keys) == 2, "the one before still verifies"
        assert other.app.state.keyring.signing_key().kid != kid, "the new one signs when everybody knows it"


@pytest.mark.safety
async def test_a_services_key_rotates_while_it_works(run, closed, admin, number):
    name = f"rotating{number}"
    old = run("service", name, "Процессинг", "--role", "operator")
    new = run("rotate-service", name)
    await closed.app.state.keyring.refresh(patience=0)
    for key in (old, new):
        assert (await closed.http.get(CUSTOMERS, headers=bearer(key))).status_code == 200
    admin.execute("UPDATE crm.account SET key_before_until = now() WHERE id = %s", (name,))
    await closed.app.state.keyring.refresh(patience=0)
    assert (await closed.http.get(CUSTOMERS, headers=bearer(old))).status_code == 401
    assert (await closed.http.get(CUSTOMERS, headers=bearer(new))).status_code == 200


@pytest.mark.safety
async def test_the_signing_key_rotates_by_a_command_and_both_are_good(run, closed, admin, number):
    name = f"person{number}"
    run("person", name, "Оператор", "--role", "operator", "--no-second-factor")
    before = (await sign_in(closed, name)).json()["access_token"]
    kid = run("rotate-signing-key")
    admin.execute("UPDATE crm.signing_key SET signs_from = now() WHERE kid = %s", (kid,))
    await closed.app.state.keyring.refresh(patience=0)
    assert closed.app.state.keyring.signing_key().kid == kid
    after = (await sign_in(closed, name)).json()["access_token"]
    for token in (before, after):
        assert (await closed.http.get(CUSTOMERS, headers=bearer(token))).status_code == 200


@pytest.mark.safety
async def test_failures_from_one_address_lock_it_out(run, crm, start_api, number):
    name = f"careful{number}"
    run("person", name, "Оператор", "--role", "operator", "--no-second-factor")
    settings = {"authentication": "required", "access_secret": SECRET, "failed_proofs_per_minute": 3}
    async with start_api(crm.url(), **settings) as api:
        await api.app.state.keyring.refresh(patience=0)
        answers = [await sign_in(api, f"nobody{n}") for n in range(3)]
        assert {answer.status_code for answer in answers} == {401}
        locked = await sign_in(api, name)
    assert (locked.status_code, locked.json()["code"]) == (429, "too-many-attempts")
    assert 1 <= int(locked.headers["Retry-After"]) == locked.json()["retry_after"] <= 20


async def test_a_system_that_asks_too_often_is_told_to_wait(run, crm, start_api, number):
    key = run("service", f"hasty{number}", "x", "--role", "operator")
    settings = {"authentication": "required", "access_secret": SECRET}
    async with start_api(crm.url(), **settings, service_requests_per_second=0.1, request_burst=2) as api:
        await api.app.state.keyring.refresh(patience=0)
        statuses = [(await api.http.get(CUSTOMERS, headers=bearer(key))).status_code for _ in range(3)]
        refused = await api.http.get(CUSTOMERS, headers=bearer(key))
    assert statuses == [200, 200, 429]
    assert refused.json()["code"] == "too-many-requests"
    assert refused.headers["Retry-After"]


def test_the_description_says_what_opens_each_operation():
    document = create_app(Settings(database_url="postgresql:///")).openapi()
    assert set(document["components"]["securitySchemes"]) == {"token", "serviceKey"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            is_open = need(method.upper(), path) is None
            assert (operation["security"] == []) is is_open, (method, path)
    listed = document["paths"][CUSTOMERS]["get"]
    assert "operator" in listed["x-roles"]
    assert "processing" not in listed["x-roles"]
    assert "auditor" in document["components"]["schemas"]["Customer"]["properties"]["inn"]["description"]

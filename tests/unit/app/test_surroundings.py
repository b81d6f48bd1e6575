"""What every answer carries, the one to what nobody foresaw included."""

from __future__ import annotations

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from app.main import create_app
from app.settings import Settings

CARD = "/api/v1/customers/01990000-0000-7000-8000-000000000000"  # answered by app.dispatch
READINESS = "/health/ready"  # left to FastAPI


@pytest.fixture(autouse=True)
def logged():
    """Nothing is rendered: structlog's own way shows the variables of every frame, for minutes."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def app():
    return create_app(
        Settings(database_url="postgresql://unused", authentication="trusted-network", site="dc1")
    )


@pytest.fixture
async def http(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://crm") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"), [("/health/live", 200), ("/nowhere", 404), ("/api/v1/customers/x", 422)]
)
async def test_an_answer_carries_the_site_and_the_request_id(http, path, status):
    answer = await http.get(path, headers={"X-Request-Id": "r-1"})
    assert answer.status_code == status
    assert (answer.headers["twinsite-site"], answer.headers["x-request-id"]) == ("dc1", "r-1")


@pytest.mark.parametrize("path", [CARD, READINESS])
async def test_so_does_the_answer_to_what_nobody_foresaw(app, http, logged, monkeypatch, path):
    monkeypatch.setattr(app.state, "database", "no database")
    answer = await http.get(path, headers={"X-Request-Id": "r-2"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["request_id"] == "r-2"
    assert (answer.headers["twinsite-site"], answer.headers["x-request-id"]) == ("dc1", "r-2")
    assert "attribute" not in answer.text
    assert [line["event"] for line in logged] == ["unforeseen", *(["request"] if path == CARD else [])]


async def test_it_is_counted_as_what_it_was(app, http, monkeypatch):
    async def broken(*_):
        raise RuntimeError

    labels = {"method": "GET", "route": "/api/v1/customers/{customer_id}", "status": "500"}
    before = REGISTRY.get_sample_value("crm_http_request_seconds_count", labels) or 0
    monkeypatch.setattr(app.state.database, "read", broken)
    await http.get(CARD)
    assert REGISTRY.get_sample_value("crm_http_request_seconds_count", labels) == before + 1


async def test_the_server_hears_of_it_too(app, monkeypatch):
    async def broken(*_):
        raise RuntimeError("for the server's own log")

    monkeypatch.setattr(app.state.database, "read", broken)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://crm") as client:
        with pytest.raises(RuntimeError, match="own log"):
            await client.get(CARD)

"""The OpenAPI description against the API itself, as it is served in production: two workers, real sockets.

Schemathesis makes requests that fit the description and requests that do not, and checks every answer:
no 5xx, no undocumented status, no body that breaks its schema. Deterministic, and bounded in number.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from app.devserver import create_crm_database
from app.main import create_app
from app.metrics import forget_dead_workers
from app.settings import Settings
from tests.integration.serving import START_SECONDS, serving

EXAMPLES = int(os.environ.get("CRM_SCHEMATHESIS_EXAMPLES", "10"))


@pytest.fixture(scope="module")
def served(postgres_server) -> Iterator[str]:
    """`python -m app serve` with two workers; its base address.

    On a database of its own: what Schemathesis makes up includes rules that would assign others' requests.
    """
    crm = create_crm_database(postgres_server, "described")
    settings = {"CRM_REPLICA_URL": crm.url(), "CRM_SITE": "dc1", "CRM_LOG_LEVEL": "WARNING"}
    settings["CRM_STREAM_SECONDS"] = (
        "0.2"  # whoever walks through the description waits for each stream's end
    )
    with serving(crm, **settings) as address:
        yield address


def _without_proofs(document):
    """The network is trusted here: made-up proofs would only be refused. test_walk.py asks without any."""
    del document["components"]["securitySchemes"]
    for operations in document["paths"].values():
        for described in operations.values():
            del described["security"]
    return document


# Of all the years there are nearly every one is refused as a mistake: nothing behind that would be reached.
FROM, TO = date(1990, 1, 1), date(2050, 12, 31)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2050, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis
schemathesis.openapi.format("date", st.dates(FROM, TO).map(date.isoformat))
schemathesis.openapi.format("date-time", MOMENTS.map(datetime.isoformat))
DESCRIPTION = _without_proofs(create_app(Settings(database_url="postgresql:///")).openapi())
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
# A valid example may still meet a card of the same requisites, a missing header that HTTP itself refuses, …
NOT_CHECKED = [unsupported_method, positive_data_acceptance]


def of_the_path(described):
    return [each for each in described.get("parameters", ()) if each["in"] == "path"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_the_api_is_as_described(served, operation, mode):
    described = operation.definition.raw
    made_up = any(each["schema"].get("format") == "uuid" for each in of_the_path(described))
    if mode is GenerationMode.NEGATIVE and not (described.get("parameters") or described.get("requestBody")):
        pytest.skip("it takes nothing that could be wrong")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        answer = case.call_and_validate(base_url=served, excluded_checks=NOT_CHECKED)
        assert not (made_up and answer.status_code < 300), "done to what is not there"

    check()


def test_metrics_are_those_of_all_workers(served):
    for _ in range(20):  # more connections than one worker would take
        httpx.get(f"{served}/health/live")
    page = httpx.get(f"{served}/metrics").text
    counted = sum(
        float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith("crm_http_request_seconds_count") and "/health/live" in line
    )
    assert counted >= 20
    assert 'crm_pool_connections{route="primary",state="idle"}' in page


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed"),
        (b"\xff\xfe", {}, 400, "malformed"),
        (b'{"kind": NaN}', {}, 400, "malformed"),
        (b'{"name": "\\ud800"}', {}, 400, "malformed"),
        (b"[" * 5000, {}, 400, "malformed"),
        (b'{"kind": "person", "name": "a", "name": "b"}', {}, 422, "validation"),
        (b'{"kind": "person", "name": "a\\u0000b"}', {}, 422, "validation"),
        (b'{"kind": "person", "name": "a", "nmae": "b"}', {}, 422, "validation"),
        (b"x" * 1_048_577, {}, 413, "body-too-large"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported-media-type"),
    ],
)
def test_a_bad_body_gets_a_clear_answer(served, content, headers, status, code):
    headers = {"content-type": "application/json", "idempotency-key": "bad", **headers}
    answer = httpx.post(f"{served}/api/v1/customers", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("given", ["0", "1700000000", "2026-01-31", "2026-01-31T09:30:00", "yesterday"])
def test_a_moment_is_written_out_and_has_an_offset(served, given):
    """Also where FastAPI is not asked (app/dispatch.py): no number stands for a moment."""
    answer = httpx.get(f"{served}/api/v1/audit/entries", params={"since": given})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation"), answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?since"]


@pytest.mark.parametrize("given", ["0", 0, 1.5, "20260131", "2026-01-31T00:00:00Z"])
def test_a_day_is_written_out(served, given):
    body = {"signed_on": given, "valid_from": given, "valid_until": given}
    answer = httpx.post(f"{served}/api/v1/contracts", json=body, headers={"idempotency-key": "day"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation"), answer.text
    assert {f"/{name}" for name in body} <= {error["pointer"] for error in answer.json()["errors"]}


def test_a_body_of_unsaid_length_is_limited_too(served):
    headers = {"content-type": "application/json", "idempotency-key": "chunked"}
    chunks = (b" " * 65536 for _ in range(32))
    answer = httpx.post(f"{served}/api/v1/customers", content=chunks, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_a_wrong_method_is_a_problem_too(served):
    answer = httpx.delete(f"{served}/api/v1/customers")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


def test_gauges_of_a_killed_worker_are_forgotten(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(START_SECONDS)
    dead = tmp_path / f"gauge_livesum_{ended.pid}.db"
    alive = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    dead.touch()
    alive.touch()
    forget_dead_workers(tmp_path)
    assert alive.exists()
    assert not dead.exists()

"""Bodies that do not say their length, through all that reads them before an endpoint does."""

from __future__ import annotations

import orjson
import pytest
from starlette.responses import JSONResponse

from app.middleware import Surroundings
from app.repetition import BODY_MAX_BYTES, Repetition
from app.settings import Settings


async def endpoint(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message.get("more_body", False)
    await JSONResponse({"size": size})(scope, receive, send)


async def ask(limit, pieces):
    """The status and content of the answer."""
    settings = Settings(database_url="postgresql://unused", max_body_bytes=limit)
    application = Surroundings(Repetition(endpoint, settings=settings), settings=settings)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/customers",
        "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
    }
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    answer = []

    async def receive():
        return coming.pop(0)

    async def send(message):
        answer.append(message)

    await application(scope, receive, send)
    return answer[0]["status"], orjson.loads(answer[1]["body"])


@pytest.mark.parametrize("limit", [1000, BODY_MAX_BYTES - 1])
async def test_a_limit_below_what_is_kept_for_a_repetition_holds_too(limit):
    assert await ask(limit, [b"x" * limit]) == (200, {"size": limit})
    status, problem = await ask(limit, [b"x" * limit, b"x"])
    assert (status, problem["code"]) == (413, "body-too-large")

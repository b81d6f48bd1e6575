"""Requests repeated inside the API, over an application that plays the failover."""

from types import SimpleNamespace

import orjson
import pytest
from starlette.responses import JSONResponse, Response

from app import repetition
from app.repetition import Repetition
from app.settings import Settings

KEYED = [(b"idempotency-key", b"k-1")]


class Primary:
    """A route's primary that is there again or not."""

    def __init__(self, there=True):
        self.there = there
        self.asked = 0

    async def await_primary(self, _seconds):
        self.asked += 1
        return self.there


class Application:
    """Answers with one response after the other, and remembers what it was given."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.bodies = []
        self.seconds_left = []
        self.routed_before = []

    async def __call__(self, scope, receive, send):
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        self.seconds_left.append(scope["state"].get("seconds_left"))
        self.routed_before.append(scope.get("route") or scope["state"].get("access"))
        scope["state"]["access"] = "whose"
        scope["route"] = f"attempt {len(self.bodies)}"
        await self._answers.pop(0)(scope, receive, send)

    @property
    def attempts(self):
        return len(self.bodies)


def problem(code, status=503):
    return JSONResponse({"code": code}, status)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(repetition, "PAUSES_SECONDS", (0.0,) * 3)


async def ask(application, *, headers=KEYED, method="POST", pieces=(b'{"a":', b"1}"), primary=None, wait=4.0):
    """The status and code of the answer, and the request's scope after it."""
    settings = Settings(database_url="postgresql://unused", primary_wait_seconds=wait)
    database = SimpleNamespace(primary=primary or Primary())
    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "headers": headers,
        "app": SimpleNamespace(state=SimpleNamespace(database=database)),
        "state": {"request_id": "r"},
    }
    incoming = [
        {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces
    ]
    sent = []

    async def receive():
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await Repetition(application, settings)(scope, receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return starts[0]["status"], (orjson.loads(body) if body else {}).get("code"), scope


async def test_what_met_no_primary_is_repeated_with_its_body_once_there_is_one():
    application = Application(problem("no-primary"), problem("no-primary"), Response(status_code=201))
    status, _, scope = await ask(application, headers=[])
    assert status == 201
    assert application.bodies == [b'{"a":1}'] * 3
    assert scope["route"] == "attempt 3"  # what is logged and counted is the attempt that answered
    assert scope["state"]["request_id"] == "r"
    assert application.routed_before == [None] * 3


async def test_repetitions_end_and_the_last_answer_is_given():
    application = Application(*[problem("no-primary")] * 4)
    assert (await ask(application))[:2] == (503, "no-primary")
    assert application.attempts == 4


async def test_without_a_primary_in_time_the_answer_is_given_as_it_is():
    primary = Primary(there=False)
    application = Application(problem("no-primary"))
    assert (await ask(application, primary=primary))[:2] == (503, "no-primary")
    assert (application.attempts, primary.asked) == (1, 1)


@pytest.mark.safety
@pytest.mark.parametrize(
    ("headers", "method", "attempts"), [(KEYED, "POST", 2), ([], "GET", 2), ([], "POST", 1), ([], "PUT", 1)]
)
async def test_an_unknown_outcome_is_repeated_only_where_that_is_safe(headers, method, attempts):
    application = Application(problem("outcome-unknown"), Response(status_code=200))
    status, _, _ = await ask(application, headers=headers, method=method)
    assert application.attempts == attempts
    assert status == (200 if attempts == 2 else 503)


@pytest.mark.safety
@pytest.mark.parametrize(
    ("code", "status"), [("database-busy", 503), ("no-remote-copy", 503), ("internal", 500)]
)
async def test_after_an_unknown_outcome_nothing_claims_that_nothing_was_done(code, status):
    application = Application(problem("outcome-unknown"), problem(code, status))
    expected = (500, "internal") if status == 500 else (503, "outcome-unknown")
    assert (await ask(application))[:2] == expected


@pytest.mark.safety
async def test_a_primary_lost_again_leaves_the_first_doubt():
    application = Application(problem("outcome-unknown"), *[problem("no-primary")] * 3)
    assert (await ask(application))[:2] == (503, "outcome-unknown")


async def test_who_waited_for_the_primary_waits_for_a_turn_too_and_nobody_else():
    waited = Application(problem("no-primary"), problem("overloaded"), Response(status_code=201))
    assert (await ask(waited, headers=[]))[0] == 201
    came_just_now = Application(problem("overloaded"))
    assert (await ask(came_just_now))[:2] == (503, "overloaded")


async def test_a_definite_answer_dispels_the_doubt():
    application = Application(problem("outcome-unknown"), problem("wrong-state", 409))
    assert (await ask(application))[:2] == (409, "wrong-state")


@pytest.mark.safety
async def test_the_attempt_in_doubt_is_waited_for_but_no_other_request_with_its_key():
    doubted = Application(problem("outcome-unknown"), problem("idempotency-key-in-progress", 409), Response())
    assert (await ask(doubted))[0] == 200
    others = Application(problem("idempotency-key-in-progress", 409))
    assert (await ask(others))[:2] == (409, "idempotency-key-in-progress")
    assert others.attempts == 1


async def test_a_body_too_long_to_keep_goes_through_once():
    application = Application(problem("no-primary"))
    pieces = (b"x" * repetition.BODY_MAX_BYTES, b"y", b"z")
    assert (await ask(application, pieces=pieces))[:2] == (503, "no-primary")
    assert application.bodies == [b"".join(pieces)]


@pytest.mark.parametrize(
    "answer", [Response(b"plain", 503), JSONResponse(["list"], 503), Response(status_code=503)]
)
async def test_answers_that_are_no_problems_pass(answer):
    application = Application(answer)
    settings = Settings(database_url="postgresql://unused")
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}
    await Repetition(application, settings)(scope, receive, send)
    assert (sent[0]["status"], sent[1]["body"]) == (503, answer.body)


async def test_it_can_be_switched_off():
    application = Application(problem("no-primary"))
    assert (await ask(application, wait=0))[:2] == (503, "no-primary")


async def test_an_attempt_gets_what_is_left_of_the_deadline():
    application = Application(problem("no-primary"), Response())
    await ask(application)
    first, second = application.seconds_left
    assert 1.0 <= second <= first <= Settings(database_url="postgresql://unused").request_deadline_seconds

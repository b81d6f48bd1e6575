"""Repeats a request inside the API while a primary is being replaced, so that its client need not.

A failover takes a second or two: what was in flight then ends as `no-primary` or `outcome-unknown`, and a
client that obeys `Retry-After` adds a whole second of its own. What a good client does is done here instead:
the same request, with the same Idempotency-Key, once there is a primary again. A write without a key is
repeated only when nothing was done.

Plain ASGI, between what logs a request and what answers it: a repetition is a request like any other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.database.database import Database
from app.errors import Problem
from app.settings import Settings

log = structlog.get_logger(__name__)

# What is kept for a repetition; a longer body goes through once.
BODY_MAX_BYTES = 65_536
PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
# No attempt gets less, or its deadline would come before the database's answer.
ATTEMPT_MIN_SECONDS = 1.0
IDEMPOTENT = frozenset({"GET", "HEAD"})

NOTHING_DONE = frozenset({Problem.NO_PRIMARY.value.code, Problem.NO_DATABASE.value.code})
UNKNOWN = Problem.OUTCOME_UNKNOWN.value.code
IN_PROGRESS = Problem.KEY_IN_PROGRESS.value.code
OVERLOADED = Problem.OVERLOADED.value.code
UNAVAILABLE = Problem.NO_PRIMARY.value.status
HELD_STATUSES = frozenset({UNAVAILABLE, Problem.KEY_IN_PROGRESS.value.status})


@dataclass(frozen=True)
class Held:
    """An answer that may not be the last word: kept back until that is decided."""

    messages: Sequence[Message]

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def code(self) -> str:
        """The problem's; empty where the answer is none of ours."""
        body = b"".join(message.get("body", b"") for message in self.messages[1:])
        with suppress(orjson.JSONDecodeError):
            content: Any = orjson.loads(body)
            if isinstance(content, dict):
                return str(content.get("code", ""))
        return ""


class Repetition:
    """Waits and repeats within `primary_wait_seconds` of a request's beginning."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._settings.primary_wait_seconds == 0:
            await self._app(scope, receive, send)
            return
        # What a GET might have for a body means nothing (RFC 9110, 9.3.1): none is kept, and none is read.
        body: list[Message] = []
        if scope["method"] not in IDEMPOTENT:
            body, whole = await _read(receive)
            if not whole:
                await self._app(scope, _replayed(body, receive), send)
                return
        request = _Request(self._app, self._settings, scope, body, receive, send)
        held = await request.attempt()
        if held is not None:
            await request.repeat(held)


@dataclass(slots=True)
class _Request:
    """One request, from its first attempt to the answer that its client gets."""

    app: ASGIApp
    settings: Settings
    scope: Scope
    body: list[Message]
    receive: Receive
    send: Send
    began: float = field(default_factory=time.monotonic)
    doubt: Held | None = None  # an earlier attempt may have been committed
    repeated: bool = False
    held: list[Message] = field(default_factory=list)  # of the present attempt's answer
    began_with: Scope = field(init=False)  # as nobody's routing has written into it yet

    def __post_init__(self) -> None:
        self.scope.setdefault("state", {})
        self.began_with = {**self.scope, "state": dict(self.scope["state"])}

    async def attempt(self) -> Held | None:
        """None: answered for good."""
        left = self.settings.request_deadline_seconds - self._spent()
        self.scope["state"]["seconds_left"] = max(left, ATTEMPT_MIN_SECONDS)
        self.held = []
        receive = _replayed(self.body, self.receive) if self.body else self.receive
        await self.app(self.scope, receive, self._pass)
        return Held(self.held) if self.held else None

    async def _pass(self, message: Message) -> None:
        if self.held or _maybe_repeated(message):
            self.held.append(message)
        else:
            await self.send(message)

    async def repeat(self, held: Held) -> None:
        """Until there is an answer for good, or it is not worth while any more."""
        for pause in PAUSES_SECONDS:
            if not self._repeatable(held) or not await self._primary_after(pause):
                break
            metrics.REPETITIONS.labels(held.code).inc()
            log.info("repeated", code=held.code, after_ms=round(self._spent() * 1000))
            self.repeated = True
            if held.code == UNKNOWN:
                self.doubt = held
            self._begin_anew()
            again = await self.attempt()
            if again is None:
                return
            held = again
        await self._give(held)

    def _begin_anew(self) -> None:
        """A repetition finds the scope as it was, as routing writes into it."""
        self.scope.clear()
        self.scope.update(self.began_with, state=dict(self.began_with["state"]))

    def _spent(self) -> float:
        return time.monotonic() - self.began

    def _repeatable(self, held: Held) -> bool:
        if held.code in NOTHING_DONE:
            return True
        if held.code == UNKNOWN:
            keyed = "idempotency-key" in Headers(scope=self.scope)
            return keyed or self.scope["method"] in IDEMPOTENT
        if held.code == OVERLOADED:  # all who waited for the primary come at once; nothing was sent
            return self.repeated
        return held.code == IN_PROGRESS and self.doubt is not None  # the attempt in doubt still runs

    async def _primary_after(self, pause: float) -> bool:
        pause *= random.uniform(0.5, 1.5)  # noqa: S311  # or those who were too many would be so again
        left = self.settings.primary_wait_seconds - self._spent()
        if left <= pause:
            return False
        await asyncio.sleep(pause)
        database: Database = self.scope["app"].state.database
        return await database.primary.await_primary(left - pause)

    async def _give(self, held: Held) -> None:
        """The last answer, unless an earlier attempt is in doubt and this one could not dispel it."""
        undecided = held.status == UNAVAILABLE or held.code == IN_PROGRESS
        for message in (self.doubt if self.doubt and undecided else held).messages:
            await self.send(message)


def _maybe_repeated(message: Message) -> bool:
    return message["type"] == "http.response.start" and message["status"] in HELD_STATUSES


async def _read(receive: Receive) -> tuple[list[Message], bool]:
    """The messages of a body, and whether these are all of it; it may be too long to keep."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body", False):
            return messages, True
        size += len(message.get("body", b""))
        if size > BODY_MAX_BYTES:
            return messages, False


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """What was read already, and then whatever comes."""
    kept = iter(messages)

    async def replayed() -> Message:
        message = next(kept, None)
        return await receive() if message is None else message

    return replayed

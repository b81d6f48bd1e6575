"""What surrounds every request: its id, the site's name, limits of the body, one log line, one measurement.

Plain ASGI: Starlette's BaseHTTPMiddleware runs the endpoint in a cancellable task group, and it costs more.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs, metrics
from app.errors import Problem, ProblemError
from app.http import client_of, header_of
from app.problems import problem_response, to_problem
from app.settings import Settings

log = structlog.get_logger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# Endpoints that take a body of any size, piece by piece, and look at its media type themselves.
STREAMED = frozenset({("POST", "/api/v1/imports")})
# Where another standard says what a body is (RFC 6749).
MEDIA_TYPES = {"/api/v1/oauth/token": "application/x-www-form-urlencoded"}
# A request without an id gets one of these: nobody is kept from guessing them, and they cost next to nothing.
_PROCESS = os.urandom(8).hex()
_numbers = itertools.count(1)
QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class Surroundings:
    """Outermost; sets `scope["state"]["request_id"]`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._site = (b"twinsite-site", settings.site.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = accepted_request_id(header_of(scope, b"x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, (self._site, (b"x-request-id", request_id.encode())))
        naming = logs.REQUEST_ID.set(request_id)
        try:
            await self._app(scope, self._limited(scope, receive), answer.send)
        except ProblemError as error:  # also of a body that proves too long before any endpoint reads it
            await problem_response(scope, error)(scope, receive, answer.send)
        except Exception as error:  # the outermost guard of a request; the server logs it once more
            if not answer.status:
                await problem_response(scope, to_problem(error))(scope, receive, answer.send)
            raise
        finally:
            _report(scope, answer.status, time.perf_counter() - started)
            logs.REQUEST_ID.reset(naming)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Raises ProblemError."""
        if (scope["method"], scope["path"]) in STREAMED:
            return receive
        _check_head(scope, self._settings.max_body_bytes)
        return _counted(receive, self._settings.max_body_bytes)


class _Answer:
    """Adds headers to the answer on its way out and remembers its status."""

    def __init__(self, send: Send, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        await self._send(message)


def accepted_request_id(given: str | None) -> str:
    """The caller's id if it is harmless in logs and in application_name, else a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return f"{_PROCESS}{next(_numbers):016x}"


def _check_head(scope: Scope, max_body_bytes: int) -> None:
    if scope["method"] not in WITH_BODY:
        return
    length = header_of(scope, b"content-length") or "0"
    if length.isdecimal() and int(length) > max_body_bytes:
        raise _too_large(max_body_bytes)
    has_body = length != "0" or header_of(scope, b"transfer-encoding") is not None
    media_type = (header_of(scope, b"content-type") or "").partition(";")[0].strip().lower()
    expected = MEDIA_TYPES.get(scope["path"], "application/json")
    if has_body and media_type != expected:
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE, f"send the body as {expected}")


def _counted(receive: Receive, max_body_bytes: int) -> Receive:
    """For bodies that do not say their length."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_body_bytes:
            raise _too_large(max_body_bytes)
        return message

    return counted


def _too_large(limit: int) -> ProblemError:
    return ProblemError(Problem.BODY_TOO_LARGE, f"more than {limit} bytes")


def _report(scope: Scope, status: int, seconds: float) -> None:
    metrics.request_seconds(scope["method"], template(scope), status).observe(seconds)
    if scope["path"] not in QUIET:
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 2),
            client=client_of(scope),
        )


def template(scope: Scope) -> str:
    """The path with names in place of its parameters' values; `none` for all that matched no route."""
    if "template" in scope:  # by app.dispatch
        return str(scope["template"])
    if "route" not in scope:
        return "none"
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path

"""Between HTTP and the services: what a request brings along, and how an answer leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast
from urllib.parse import quote

import orjson
from fastapi import Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Scope

from app.audit import disclosure
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.execution import Work
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid
from app.security import CurrentPrincipal, shown_now
from app.settings import Settings

BASE = "/api/v1"
JSON = "application/json"
KEY_PATTERN = r"^[!-~]{1,200}$"
STALENESS = "any"


class StrictRequest(Request):
    """JSON by orjson: no NaN, no lone surrogates, no endless nesting; and an object's key only once."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            # orjson's message may quote the input, which need not be text.
            raise json.JSONDecodeError("not valid JSON", "", error.pos) from None
        _refuse_repeated_keys(body)
        return value


def _refuse_repeated_keys(body: bytes) -> None:
    def pairs(items: list[tuple[str, Any]]) -> None:
        seen = set()
        for name, _ in items:
            if name in seen:
                raise invalid([FieldError(f"/{name}", "repeated", "the field is given twice")])
            seen.add(name)

    try:
        json.loads(body, object_pairs_hook=pairs)
    except RecursionError:
        raise ProblemError(Problem.MALFORMED, "the body is nested too deeply") from None


class StrictRoute(APIRoute):
    """Routes of the API read their bodies with StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


async def database_of(request: Request) -> Database:
    return cast("Database", request.app.state.database)


def trace_of(request: Request) -> str:
    """The request's name in PostgreSQL's application_name (at most 63 bytes there)."""
    return f"crm {request.scope['state']['request_id']}"[:63]


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, which is given in small letters."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def client_of(scope: Scope) -> str | None:
    """The client's address, as far as the proxies before us are believed (CRM_TRUSTED_PROXIES)."""
    address = scope.get("client")
    return None if address is None else str(address[0])


TheDatabase = Annotated[Database, Depends(database_of)]


async def settings_of(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


TheSettings = Annotated[Settings, Depends(settings_of)]


async def freshness(
    request: Request,
    twinsite_staleness: Annotated[str | None, Header(description="`any`: a replica may answer")] = None,
    stale: Annotated[bool, Query(description="The same for clients that cannot set headers")] = False,
) -> Freshness:
    if twinsite_staleness not in (None, STALENESS):
        raise invalid(
            [FieldError("header:Twinsite-Staleness", "unknown-value", f"only `{STALENESS}` is known")]
        )
    return Freshness(trace_of(request), stale_allowed=stale or twinsite_staleness == STALENESS)


TheFreshness = Annotated[Freshness, Depends(freshness)]

RequiredKey = Annotated[
    str, Header(alias="Idempotency-Key", pattern=KEY_PATTERN, description="The same for every repetition")
]
IfMatch = Annotated[str, Header(alias="If-Match", max_length=200, description="The ETag that was changed")]
OptionalKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=KEY_PATTERN, description="The same for every repetition"),
]


async def _command(request: Request, principal: str, key: str | None) -> Command:
    settings = cast("Settings", request.app.state.settings)
    scope = request.scope
    operation = f"{scope['method']} {scope['path']}"
    query, if_match = scope["query_string"].decode("latin-1"), header_of(scope, b"if-match") or ""
    target = f"{operation}?{query} {if_match}\n"
    fingerprint = hashlib.sha256(target.encode() + await request.body()).digest()
    return Command(
        trace_of(request),
        principal,
        key,
        fingerprint,
        scope["state"].get("seconds_left", settings.request_deadline_seconds),
        operation=operation,
        client=client_of(scope),
    )


async def keyed_command(request: Request, principal: CurrentPrincipal, key: RequiredKey) -> Command:
    return await _command(request, principal.id, key)


async def optional_command(request: Request, principal: CurrentPrincipal, key: OptionalKey = None) -> Command:
    return await _command(request, principal.id, key)


async def unkeyed_command(request: Request, principal: CurrentPrincipal) -> Command:
    """For what may be repeated without a key: nothing is stored under one."""
    return await _command(request, principal.id, None)


UnkeyedCommand = Annotated[Command, Depends(unkeyed_command)]
KeyedCommand = Annotated[Command, Depends(keyed_command)]
OptionalCommand = Annotated[Command, Depends(optional_command)]


def etag(version: int) -> str:
    return f'"{version}"'


def written(committed: Committed) -> Response:
    """The answer of a write, first or replayed, with where it was committed."""
    answer, where = committed.answer, committed.provenance
    headers = {
        **answer.headers,
        "Twinsite-Node": where.node,
        "Twinsite-Timeline": str(where.timeline),
        "Twinsite-Lsn": where.lsn,
    }
    if where.remote_copy is not None:
        headers["Twinsite-Remote-Copy"] = "yes" if where.remote_copy else "no"
    if committed.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, JSON)


def shown(
    value: object, found: Found[Any], headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The answer of a read, straight to bytes: validating our own rows again costs as much as the query."""
    disclosure.note(value)
    return Response(encode(shown_now(value)), status, {**(headers or {}), **origin(found)}, JSON)


def origin(found: Found[Any]) -> dict[str, str]:
    """What every answer of a read says in its headers of where it comes from, whatever its form."""
    return {"Twinsite-Replica": "true"} if found.from_replica else {}


def downloaded(name: str, media_type: str, sha256: str, content: bytes, found: Found[Any]) -> Response:
    """A file. Never shown in place: a hostile one must not run in a browser under our name."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{sha256}"',
        **origin(found),
    }
    return Response(content, 200, headers, media_type)


def created(location: str, version: int | None, value: object) -> Answer:
    headers = {"Location": location} if version is None else {"Location": location, "ETag": etag(version)}
    return Answer(201, encode(value), headers)


async def run(database: Database, command: Command, work: Work) -> Response:
    return written(await database.write(command, work))


FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}

# Every read may answer with these, and every write.
READ_PROBLEMS = (
    Problem.MALFORMED,
    Problem.UNAUTHENTICATED,
    Problem.FORBIDDEN,
    Problem.VALIDATION,
    Problem.TOO_MANY_REQUESTS,
    Problem.INTERNAL,
    Problem.NO_PRIMARY,
    Problem.NO_DATABASE,
    Problem.DATABASE_BUSY,
    Problem.OVERLOADED,
)
ONE_PROBLEMS = (*READ_PROBLEMS, Problem.NOT_FOUND)
LIST_PROBLEMS = (*READ_PROBLEMS, Problem.CURSOR_INVALID)
WRITE_PROBLEMS = (
    Problem.MALFORMED,
    Problem.KEY_MISSING,
    Problem.KEY_INVALID,
    Problem.UNAUTHENTICATED,
    Problem.FORBIDDEN,
    Problem.KEY_IN_PROGRESS,
    Problem.BODY_TOO_LARGE,
    Problem.UNSUPPORTED_MEDIA_TYPE,
    Problem.VALIDATION,
    Problem.KEY_REUSED,
    Problem.TOO_MANY_REQUESTS,
    Problem.INTERNAL,
    Problem.NO_PRIMARY,
    Problem.NO_REMOTE_COPY,
    Problem.DATABASE_BUSY,
    Problem.OVERLOADED,
    Problem.OUTCOME_UNKNOWN,
)

"""Around sign-in and the endpoints: no personal data leave before it is recorded who gets to see them.

In a middleware rather than in the endpoints, so that one whose author forgot it is recorded too.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.operations import need_of
from app.access.principal import Access
from app.audit.disclosure import collect, is_disclosure
from app.audit.entries import subjects
from app.audit.model import Entry, Kind
from app.audit.recorder import Recorder
from app.cards.numbers import without_numbers
from app.database.rows import stored
from app.errors import ProblemError
from app.http import client_of
from app.identity import new_id, now
from app.problems import problem_response

FORBIDDEN = 403
ERRORS = 400
LONGEST = 500  # of an operation; nobody's path is longer but who wants it to be


class Disclosures:
    def __init__(self, app: ASGIApp, recorder: Recorder, site: str) -> None:
        self._app = app
        self._recorder = recorder
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = need_of(scope) if scope["type"] == "http" else None
        if wanted is None:
            await self._app(scope, receive, send)
            return
        reading = is_disclosure(wanted)
        try:
            if reading:
                self._recorder.check()
        except ProblemError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        answer = _Answer(scope, receive, send, self._recorder, self._site, reading=reading)
        await self._app(scope, receive, answer.send)


class _Answer:
    """Records an answer when it starts; gives a problem in its place when that fails."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, recorder: Recorder, site: str, *, reading: bool
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._recorder = recorder
        self._site = site
        self._reading = reading
        self._shown = collect()
        self._withheld = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            try:
                self._record(message["status"])
            except ProblemError as error:
                self._withheld = True
                await problem_response(self._scope, error)(self._scope, self._receive, self._send)
        if not self._withheld:
            await self._send(message)

    def _record(self, status: int) -> None:
        access = self._scope["state"].get("access")
        if access is None:  # nobody was recognised
            return
        if status == FORBIDDEN:
            self._recorder.record(self._entry(access, Kind.REFUSAL, status))
        elif self._reading and status < ERRORS:
            self._recorder.record(self._entry(access, Kind.DISCLOSURE, status))

    def _entry(self, access: Access, kind: Kind, status: int) -> Entry:
        """Of what the answer names, beside what its address names."""
        who = access.principal
        path: str = self._scope["path"]
        operation = without_numbers(f"{self._scope['method']} {path}".replace("\x00", "\ufffd"))[:LONGEST]
        return stored(
            Entry,
            {
                "id": new_id(),
                "site": self._site,
                "at": now(),
                "kind": kind,
                "principal": who.id,
                **who.home._asdict(),
                "operation": operation,
                "status": status,
                "subjects": tuple(subjects((path,), self._shown)),
                "trace": f"crm {self._scope['state']['request_id']}",
                "client": client_of(self._scope),
                "fingerprint": None,
            },
        )

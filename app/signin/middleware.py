"""Before any endpoint: who is asking, and whether the table of rules lets them at all.

In a middleware rather than a dependency, so that an endpoint whose author forgot it is closed, not open.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.operations import need
from app.access.principal import NOBODY, TRUSTED, Access, access_of, acting_as, current_access
from app.errors import Problem, ProblemError
from app.problems import problem_response
from app.settings import Settings
from app.signin.keyring import Keyring
from app.signin.tokens import TokenError

SCHEME = "bearer"


class Authentication:
    def __init__(self, app: ASGIApp, settings: Settings, keyring: Keyring) -> None:
        self._app = app
        self._anonymous = NOBODY if settings.sign_in_required else TRUSTED
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            access = await self._admitted(scope)
        except ProblemError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        with acting_as(access):
            await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Access:
        """Raises ProblemError: unauthenticated or forbidden."""
        wanted = need(scope["method"], scope["path"])
        if wanted is None:
            return self._anonymous
        access = await self._access(Headers(scope=scope).get("authorization"))
        if access is NOBODY:
            raise ProblemError(Problem.UNAUTHENTICATED, "send a bearer token or a service key")
        scope["state"]["access"] = access
        if not access.allows(wanted):
            detail = f"no role of yours lets you: {wanted.resource} {wanted.action}"
            raise ProblemError(Problem.FORBIDDEN, detail)
        return access

    async def _access(self, header: str | None) -> Access:
        """A token counts wherever it is sent; without one, what the installation trusts."""
        if header is None:
            return current_access() or self._anonymous
        scheme, _, bearer = header.partition(" ")
        if scheme.lower() != SCHEME:
            raise ProblemError(Problem.UNAUTHENTICATED, "only Bearer is known")
        try:
            return access_of(await self._keyring.who(bearer.strip()))
        except TokenError as error:
            raise ProblemError(Problem.UNAUTHENTICATED, str(error)) from error

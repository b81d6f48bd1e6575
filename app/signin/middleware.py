"""Before any endpoint: who is asking, and whether the table of rules lets them at all.

In a middleware rather than a dependency, so that an endpoint whose author forgot it is closed, not open.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.operations import need_of
from app.access.principal import NOBODY, TRUSTED, Access, access_for, access_of, acting_as, current_access
from app.errors import Problem, ProblemError
from app.http import client_of, header_of
from app.problems import problem_response
from app.settings import Settings
from app.signin.keyring import Keyring
from app.signin.limits import Limits
from app.signin.secrets import SERVICE_PREFIX
from app.signin.tokens import ExpiredError, TokenError

SCHEME = "bearer"


class Authentication:
    def __init__(self, app: ASGIApp, settings: Settings, keyring: Keyring, limits: Limits) -> None:
        self._app = app
        self._limits = limits
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
        wanted = need_of(scope)
        if wanted is None:
            return self._anonymous
        access = await self._access(header_of(scope, b"authorization"), client_of(scope))
        if access is NOBODY:
            raise ProblemError(Problem.UNAUTHENTICATED, "send a bearer token or a service key")
        scope["state"]["access"] = access
        if not access.allows(wanted):
            detail = f"no role of yours lets you: {wanted.resource} {wanted.action}"
            raise ProblemError(Problem.FORBIDDEN, detail)
        return access_for(access, wanted)

    async def _access(self, header: str | None, address: str | None) -> Access:
        """A token counts wherever it is sent; without one, what the installation trusts."""
        if header is None:
            return current_access() or self._anonymous
        scheme, _, bearer = header.partition(" ")
        if scheme.lower() != SCHEME:
            raise ProblemError(Problem.UNAUTHENTICATED, "only Bearer is known")
        bearer = bearer.strip()
        try:
            principal = await self._keyring.who(bearer)
        except ExpiredError as error:
            raise ProblemError(Problem.UNAUTHENTICATED, str(error)) from error
        except TokenError as error:
            # Heard all the same: whoever shares the address and has a good token is let in.
            self._limits.hear(address)
            self._limits.failed(address)
            raise ProblemError(Problem.UNAUTHENTICATED, str(error)) from error
        self._limits.admit(principal.id, is_service=bearer.startswith(SERVICE_PREFIX))
        return access_of(principal)

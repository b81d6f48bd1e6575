"""What a process knows by heart to tell who is asking: signing keys and services' keys.

Both are read anew from time to time. So a request costs no look-up, and who is known stays known while no
database answers. A key that is not known is looked for at once, but not more often than every
`PATIENCE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.access.principal import SIGN_IN, Principal, acting_as
from app.background import end
from app.database.database import Database, Freshness
from app.errors import ProblemError
from app.identity import now
from app.signin import repository, tokens
from app.signin.repository import SealedKey
from app.signin.secrets import SERVICE_PREFIX, SealBrokenError, Vault, hash_service_key
from app.signin.tokens import ExpiredError, SigningKey, UnknownKeyError, Use

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 10.0
PATIENCE_SECONDS = 1.0
MAX_REMEMBERED = 10_000


class Keyring:
    """`open` starts its refreshing."""

    def __init__(self, database: Database, vault: Vault | None) -> None:
        self.keys: dict[str, SigningKey] = {}
        self._services: dict[bytes, Principal] = {}
        self._remembered: dict[str, tuple[Principal, datetime]] = {}
        self._database = database
        self._vault = vault
        self._refreshed_at = float("-inf")
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._refresh_for_ever(), name="keyring")

    async def close(self) -> None:
        await end(self._task)

    async def who(self, bearer: str) -> Principal:
        """Whom a bearer token or a service's key stands for. Raises TokenError."""
        with suppress(UnknownKeyError):
            return self._known(bearer)
        await self.refresh()
        return self._known(bearer)

    def _known(self, bearer: str) -> Principal:
        if bearer.startswith(SERVICE_PREFIX):
            service = self._services.get(hash_service_key(bearer))
            if service is None:
                raise UnknownKeyError("unknown service key")
            return service
        return self._by_token(bearer)

    def _by_token(self, token: str) -> Principal:
        """Verified once, then remembered: the signature costs some 150 µs, a look-up nothing."""
        moment = now()
        principal, expires = self._remembered.get(token) or tokens.verify(
            token, Use.ACCESS, self.keys, moment
        )
        if moment >= expires:
            self._remembered.pop(token, None)
            raise ExpiredError("the token has expired")
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[token] = (principal, expires)
        return principal

    def signing_key(self) -> SigningKey | None:
        """The newest that signs by now."""
        moment = now()
        usable = [key for key in self.keys.values() if key.private and key.signs_from <= moment]
        return max(usable, key=lambda key: key.signs_from, default=None)

    async def refresh(self, *, patience: float = PATIENCE_SECONDS) -> None:
        """Read both anew. Where no database answers, what is known stays. Stale is good enough."""
        async with self._lock:
            if time.monotonic() - self._refreshed_at < patience:
                return
            self._refreshed_at = time.monotonic()
            try:
                with acting_as(SIGN_IN):
                    await self._read()
            except ProblemError as error:
                log.info("keys not refreshed", reason=error.detail)

    async def _read(self) -> None:
        freshness = Freshness("crm keyring", stale_allowed=True)
        sealed = await self._database.read(repository.SIGNING_KEYS, {}, freshness)
        services = await self._database.read(repository.SERVICES, {}, freshness)
        keys = {key.kid: self._opened(key) for key in sealed.rows}
        if keys.keys() != self.keys.keys():
            self._remembered.clear()
        self.keys = keys
        self._services = dict(services.rows)

    def _opened(self, key: SealedKey) -> SigningKey:
        private = None
        if self._vault is not None:
            try:
                raw = self._vault.open(key.private_sealed, f"signing-key {key.kid}")
                private = Ed25519PrivateKey.from_private_bytes(raw)
            except SealBrokenError as error:
                log.warning("a signing key cannot be opened", kid=key.kid, error=str(error))
        return SigningKey(key.kid, key.public, private, key.signs_from, key.verifies_until)

    async def _refresh_for_ever(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

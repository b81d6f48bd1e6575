"""Signing in: password and second factor against lock-out, and what a refresh token is good for."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.access.principal import SIGN_IN, Principal, acting_as
from app.database.answer import Answer, Command
from app.database.database import Database, Freshness
from app.database.units import WriteUnit
from app.errors import Problem, ProblemError
from app.identity import new_id, now
from app.signin import repository, rules, tokens
from app.signin.keyring import Keyring
from app.signin.repository import Account
from app.signin.secrets import Vault, password_matches
from app.signin.tokens import LIFETIMES, SigningKey, TokenError, Use

log = structlog.get_logger(__name__)

KEY_NOTICE = timedelta(minutes=1)  # several times the keyrings' refreshing
HASHING_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)  # a core stays for everyone else
HASHING_QUEUE = 32
REFUSED = "user name, password or second factor is wrong, or the account is locked"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer of the token endpoint (RFC 6749, 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class SignIn:
    """One a process."""

    def __init__(self, database: Database, keyring: Keyring, vault: Vault, deadline_seconds: float) -> None:
        self._database = database
        self._keyring = keyring
        self._vault = vault
        self._deadline_seconds = deadline_seconds
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)
        self._waiting = 0

    async def with_password(self, trace: str, name: str, password: str, code: str | None) -> Tokens:
        """Raises ProblemError; for whatever reason it is refused, the answer is the same."""
        with acting_as(SIGN_IN):
            found = (await self._database.read(repository.ACCOUNT, {"id": name}, Freshness(trace))).first
            right = await self._password_matches(found, password)
            if found is None or (found.locked_until is not None and now() < found.locked_until):
                raise ProblemError(Problem.UNAUTHENTICATED, REFUSED)
            step = self._step(found, code)
            proven = right and (found.totp_sealed is None or step is not None)
            if not proven or not await self._succeeded(trace, found, step):
                await self._failed(trace, found)
                raise ProblemError(Problem.UNAUTHENTICATED, REFUSED)
            return await self._issue(trace, found.principal)

    async def with_refresh(self, trace: str, refresh_token: str) -> Tokens:
        """New tokens with the account's present roles. Works without a primary."""
        try:
            principal, _ = tokens.verify(refresh_token, Use.REFRESH, self._keyring.keys, now())
        except TokenError as error:
            raise ProblemError(Problem.UNAUTHENTICATED, str(error)) from error
        with acting_as(SIGN_IN):
            freshness = Freshness(trace, stale_allowed=True)
            found = (await self._database.read(repository.ACCOUNT, {"id": principal.id}, freshness)).first
            if found is None:
                raise ProblemError(Problem.UNAUTHENTICATED, "the account is closed")
            return await self._issue(trace, found.principal)

    async def _password_matches(self, account: Account | None, password: str) -> bool:
        if self._waiting >= HASHING_QUEUE:
            raise ProblemError(Problem.TOO_MANY_ATTEMPTS, "too many sign-ins at once")
        self._waiting += 1
        try:
            async with self._hashing:
                stored = None if account is None else account.password_hash
                return await asyncio.to_thread(password_matches, stored, password)
        finally:
            self._waiting -= 1

    def _step(self, account: Account, code: str | None) -> int | None:
        if account.totp_sealed is None or code is None:
            return None
        secret = self._vault.open(account.totp_sealed, f"totp {account.principal.id}").decode()
        return rules.totp_step(secret, code, now().timestamp())

    async def _succeeded(self, trace: str, account: Account, step: int | None) -> bool:
        """False if the second factor was used before."""
        accepted: list[str] = []

        async def work(unit: WriteUnit) -> Answer:
            parameters = {"id": account.principal.id, "step": step}
            accepted.extend(await unit.all(repository.SUCCEEDED, parameters, lambda row: str(row[0])))
            return Answer(200, b"")

        await self._database.write(self._command(trace), work)
        return bool(accepted)

    async def _failed(self, trace: str, account: Account) -> None:
        failures = account.failures + 1
        lock = rules.lock_after(failures)

        async def work(unit: WriteUnit) -> Answer:
            await unit.queue(repository.FAILED, {"id": account.principal.id, "lock": lock})
            return Answer(200, b"")

        await self._database.write(self._command(trace), work)
        log.warning("sign-in refused", account=account.principal.id, failures=failures, locked=bool(lock))

    async def _issue(self, trace: str, principal: Principal) -> Tokens:
        key = self._keyring.signing_key() or await self._first_key(trace)
        moment = now()
        return Tokens(
            access_token=tokens.issue(principal, Use.ACCESS, key, moment),
            token_type="Bearer",  # noqa: S106  # the scheme's name
            expires_in=int(LIFETIMES[Use.ACCESS].total_seconds()),
            refresh_token=tokens.issue(principal, Use.REFRESH, key, moment),
        )

    async def _first_key(self, trace: str) -> SigningKey:
        await self.rotate(trace)
        await self._keyring.refresh(patience=0)
        key = self._keyring.signing_key()
        if key is None:
            raise ProblemError(Problem.DATABASE_BUSY, "the signing key is being made; repeat")
        return key

    async def rotate(self, trace: str) -> str:
        """Make a new key and let the others end when the last of their tokens has. Returns its kid."""
        kid, parameters = new_signing_key(self._vault)

        async def work(unit: WriteUnit) -> Answer:
            await unit.queue(repository.INSERT_KEY, parameters)
            await unit.queue(repository.RETIRE_KEYS, parameters)
            return Answer(200, b"")

        with acting_as(SIGN_IN):
            await self._database.write(self._command(trace), work)
        return kid

    def _command(self, trace: str) -> Command:
        return Command(trace, SIGN_IN.principal.id, None, b"", self._deadline_seconds)


def new_signing_key(vault: Vault) -> tuple[str, dict[str, object]]:
    """A new key's kid, and the parameters of INSERT_KEY and RETIRE_KEYS."""
    private, kid = Ed25519PrivateKey.generate(), new_id().hex
    return kid, {
        "kid": kid,
        "public": private.public_key().public_bytes_raw(),
        "sealed": vault.seal(private.private_bytes_raw(), f"signing-key {kid}"),
        "notice": KEY_NOTICE,
        "longest": max(LIFETIMES.values()),
    }

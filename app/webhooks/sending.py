"""One attempt to deliver one event by HTTP: what is sent, and what the answer means."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import httpcore

from app.encoding import encode
from app.identity import now
from app.webhooks.addresses import AddressRefusedError, Guard, GuardedBackend
from app.webhooks.dispatch_sql import ALL, Claimed
from app.webhooks.schedule import ATTEMPT_SECONDS
from app.webhooks.signing import Secrets, headers

GONE = 410
TOO_MANY = 429
USER_AGENT = "twinsite-crm/1"


class Fate(Enum):
    DELIVERED = auto()
    FAILED = auto()  # it answered, and not with success; to be tried again
    UNREACHED = auto()  # nobody answered, or somebody who cannot now; it is left alone for a while
    GONE = auto()  # the subscriber wants no more of anything
    REFUSED = auto()  # will never go: a dead letter at once


@dataclass(frozen=True, slots=True)
class Result:
    """`answer` is for the operator: a status, or why there was none."""

    fate: Fate
    answer: str


class Sender(Protocol):
    async def send(self, claimed: Claimed) -> Result: ...

    async def close(self) -> None: ...


def fate_of(status: int) -> Fate:
    """Pure. A redirect is a failure: the address after it was checked by nobody."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own classes
        return Fate.DELIVERED
    if status == TOO_MANY or status >= 500:  # noqa: PLR2004
        return Fate.UNREACHED
    return Fate.GONE if status == GONE else Fate.FAILED


class WebhookSender:
    """Connections are kept; at the end, `close`."""

    def __init__(self, secrets: Secrets, guard: Guard, tls: ssl.SSLContext | None = None) -> None:
        self._secrets = secrets
        self._guard = guard
        self._pools = {
            encrypted: httpcore.AsyncConnectionPool(
                ssl_context=tls or ssl.create_default_context(),
                max_connections=ALL,  # fewer, and a slow subscriber's would leave the others none
                keepalive_expiry=30.0,
                network_backend=GuardedBackend(guard, encrypted=encrypted),
            )
            for encrypted in (True, False)
        }

    async def send(self, claimed: Claimed) -> Result:
        try:
            self._guard.check_url(claimed.recipient.url)
            async with asyncio.timeout(ATTEMPT_SECONDS):
                status = await self._post(claimed)
        except TimeoutError:
            return Result(Fate.UNREACHED, f"no answer in {ATTEMPT_SECONDS:g} s")
        except AddressRefusedError as error:
            return Result(Fate.UNREACHED, str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Result(Fate.UNREACHED, f"{type(error).__name__}: {error}"[:200])
        return Result(fate_of(status), str(status))

    async def _post(self, claimed: Claimed) -> int:
        recipient, event = claimed.recipient, claimed.event
        body, moment = encode(event), now()
        secrets = self._secrets.current(recipient.id, recipient.secret_number, recipient.rotated_at, moment)
        signed = headers(secrets, event.id, moment, body)
        sent = [("content-type", "application/json"), ("user-agent", USER_AGENT), *signed.items()]
        pool = self._pools[recipient.url.startswith("https:")]
        # Streamed and not read: the status is all that counts, and a body could be endless.
        async with pool.stream("POST", recipient.url, headers=sent, content=body) as response:
            return response.status

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

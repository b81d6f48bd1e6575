"""One way to ask: with a deadline, and silence as a value."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import httpx
import psycopg

from failover.model import Access, Unreachable

T = TypeVar("T")

# What an absent, refusing, cut-off or half-started peer looks like; ValueError is an answer that no peer of
# the right kind would give. Anything else is a mistake of ours and must be seen.
_EXPECTED = (OSError, httpx.HTTPError, psycopg.Error, ValueError)


async def attempt(asked: Awaitable[T], deadline_s: float) -> T | Unreachable:
    """What was answered within the deadline, or why there was no answer."""
    try:
        async with asyncio.timeout(deadline_s):
            return await asked
    except TimeoutError:
        return Unreachable(f"no answer within {deadline_s:g} s")
    except _EXPECTED as error:
        return Unreachable(reason_of(error))


def reason_of(error: BaseException) -> str:
    """The shortest text that tells an operator what happened, from whatever wrapped it."""
    chain = list(_causes(error))
    if any(isinstance(each, ConnectionRefusedError) or "Connection refused" in str(each) for each in chain):
        return "connection refused"
    # httpx wraps what happened in errors that say less than their root; others know why they wrap.
    told = chain[-1] if isinstance(error, httpx.TransportError) else error
    text = str(told).strip() or type(told).__name__
    # libpq says where it tried to connect, and then why that failed.
    return text.splitlines()[0].rpartition(" failed: ")[2].removeprefix("FATAL:  ")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, the root last."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def tls_context(access: Access) -> ssl.SSLContext:
    """Trusts the estate's own authority only, and shows the operator's certificate.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    context = ssl.create_default_context(cafile=str(access.ca_certificate))
    context.load_cert_chain(str(access.certificate), str(access.key))
    return context


def http_client(tls: ssl.SSLContext, deadline_s: float) -> httpx.AsyncClient:
    """A client for the estate's addresses, past any proxy of the operator's machine."""
    return httpx.AsyncClient(verify=tls, timeout=deadline_s, trust_env=False)

"""Sends one attempt with Locust's fast client, and turns whatever happens into an answer.

Importing this module imports Locust, which patches the standard library for gevent.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geventhttpclient.client
from geventhttpclient.client import HTTPClient, HTTPClientPool
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession

from loadtests.api import Call
from loadtests.entries import Entry
from loadtests.ledger import Operation
from loadtests.policy import Answer, Patience

# The library would repeat a GET by itself when its connection breaks before the answer. Every attempt has
# to be seen and counted, so it repeats nothing; the client does.
geventhttpclient.client.IDEMPOTENT_METHODS = frozenset()

# What the client reads of an answer's headers, in lower case.
HEADERS = ("retry-after", "twinsite-node", "twinsite-timeline", "twinsite-lsn")

# A peer that is gone without a word is noticed by TCP: data that it does not acknowledge for this long, or
# silence to keep-alives sent a second apart, ends the connection. A slow answer ends nothing. Two
# retransmissions fit in (200 and 400 ms later); a cut in vain costs a repetition with the same key.
PEER_GONE_MS = 1000
REQUEST_ID_MAX = 64


def tls_context(ca: Path | None) -> ssl.SSLContext | None:
    """Return a context that trusts that authority only, None for plain HTTP. Shared by all users."""
    return None if ca is None else ssl.create_default_context(cafile=str(ca))


class Connections(HTTPClientPool):
    """One user's connections, one to each entry, each watched for a peer that is gone."""

    def __init__(self, patience: Patience, context: ssl.SSLContext | None) -> None:
        def factory(**_: Any) -> ssl.SSLContext | None:
            return context

        super().__init__(
            concurrency=1,
            connection_timeout=patience.connect_s,
            network_timeout=patience.attempt_s,
            insecure=False,
            ssl_context_factory=factory,
        )

    def get_client(self, url: Any) -> HTTPClient:
        client = super().get_client(url)
        # The library's hook for socket options, reached without a subclass of each of its pools.
        client._connection_pool.after_connect = _watch_peer  # type: ignore[method-assign]  # noqa: SLF001
        return client


def _watch_peer(sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_GONE_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)


class LocustTransport:
    """Sends through a Locust session, so that Locust's own statistics see every attempt."""

    def __init__(self, session: FastHttpSession, service_key: str | None = None) -> None:
        self._request: Callable[..., Any] = session.request
        self._proof = {} if service_key is None else {"Authorization": f"Bearer {service_key}"}

    def send(self, entry: Entry, call: Call, operation: Operation) -> Answer:
        """Send one attempt. An answer that breaks off counts as none: its status may be a lie."""
        response = self._request(
            call.method,
            f"{entry.url}{call.path}",
            name=operation.function,
            data=call.body or None,
            headers={**_headers(call, operation), **self._proof},
        )
        try:
            content = response.content
        except FAILURE_EXCEPTIONS as error:
            return _no_answer(error)
        if not response.status_code or response.headers is None:
            return _no_answer(response.error)
        if not _is_whole(response.headers, content):
            return Answer(status=None, headers={}, body={}, err="the answer broke off")
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        return Answer(response.status_code, headers, _object(content))


def _is_whole(headers: Any, content: bytes | None) -> bool:
    """Tell whether a body is as long as announced. Locust swallows the error of one that breaks off."""
    announced = headers.get("content-length", "")
    if "content-encoding" in headers or not announced.isdigit():
        return content is not None
    return len(content or b"") == int(announced)


def _headers(call: Call, operation: Operation) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "X-Request-Id": operation.key.replace(":", ".")[-REQUEST_ID_MAX:],
    }
    if call.body:
        headers["Content-Type"] = "application/json"
    if operation.marker is not None:
        headers["Idempotency-Key"] = operation.key
    if call.stale:
        headers["Twinsite-Staleness"] = "any"
    return headers


def _no_answer(error: BaseException | None) -> Answer:
    text = f"{type(error).__name__}: {error}" if error is not None else "no answer"
    refused = isinstance(error, ConnectionRefusedError)
    return Answer(status=None, headers={}, body={}, err=text[:200], sent=not refused)


def _object(content: bytes | None) -> dict[str, object]:
    """Return the JSON object of a body, empty for anything else (an entry's own error page)."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

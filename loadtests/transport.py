"""Sends one attempt with Locust's HTTP library, and turns whatever happens into an answer.

Import Locust before this module, which patches the standard library for gevent.
"""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import geventhttpclient.client
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtests.api import Call
from loadtests.entries import Entry
from loadtests.ledger import Operation
from loadtests.policy import Answer, Patience

# The library would repeat a GET by itself when its connection breaks before the answer. Every attempt has
# to be seen and counted, so it repeats nothing; the client does.
geventhttpclient.client.IDEMPOTENT_METHODS = frozenset()

# What a network or server does to a request, time-outs and TLS among it.
FAILURES = (OSError, HTTPParseError)
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


class Connections:
    """One user's connections, one to each entry, each watched for a peer that is gone."""

    def __init__(self, patience: Patience, context: ssl.SSLContext | None) -> None:
        self._patience = patience
        self._context = context
        self._clients: dict[str, HTTPClient] = {}

    def to(self, entry: Entry) -> HTTPClient:
        """Return the entry's connection; it is made when something is sent."""
        client = self._clients.get(entry.name)
        if client is None:
            client = self._clients[entry.name] = self._client(entry)
        return client

    def _client(self, entry: Entry) -> HTTPClient:
        client = HTTPClient.from_url(
            entry.url,
            concurrency=1,
            connection_timeout=self._patience.connect_s,
            network_timeout=self._patience.attempt_s,
            ssl_context_factory=lambda **_: self._context,
        )
        # The library's hook for socket options, reached without a subclass of each of its pools.
        client._connection_pool.after_connect = _watch_peer  # type: ignore[method-assign]  # noqa: SLF001
        return client


def _watch_peer(sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_GONE_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)


class HttpTransport:
    """Sends through Locust's HTTP library itself: the session above it was two fifths of a request's cost.

    In the lab the clients share the processors with what they measure.
    """

    def __init__(self, connections: Connections, service_key: str | None = None) -> None:
        self._connections = connections
        self._proof = {} if service_key is None else {"Authorization": f"Bearer {service_key}"}

    def send(self, entry: Entry, call: Call, operation: Operation) -> Answer:
        """Send one attempt. An answer that breaks off counts as none: its status may be a lie."""
        headers = {**_headers(call, operation), **self._proof}
        try:
            response = self._connections.to(entry).request(call.method, call.path, call.body, headers)
            content = response.read()
        except FAILURES as error:
            return _no_answer(error)
        found = {name: str(value) for name in HEADERS if (value := response.get(name)) is not None}
        if not _is_whole(response.get("content-length"), content):
            return Answer(status=None, headers={}, body={}, err="the answer broke off")
        return Answer(response.status_code, found, _object(content))


def _is_whole(announced: object, content: bytes) -> bool:
    """Tell whether a body is as long as announced; the library returns one that breaks off as it is."""
    return announced is None or announced == str(len(content))


def _headers(call: Call, operation: Operation) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "X-Request-Id": operation.key.replace(":", ".")[-REQUEST_ID_MAX:],
    }
    if call.body:
        headers["Content-Type"] = "application/json"
    if call.method != "GET":
        headers["Idempotency-Key"] = operation.key
    if call.stale:
        headers["Twinsite-Staleness"] = "any"
    return headers


def _no_answer(error: Exception) -> Answer:
    refused = isinstance(error, ConnectionRefusedError)
    text = f"{type(error).__name__}: {error}"
    return Answer(status=None, headers={}, body={}, err=text[:200], sent=not refused)


def _object(content: bytes | None) -> dict[str, object]:
    """Return the JSON object of a body, empty for anything else (an entry's own error page)."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

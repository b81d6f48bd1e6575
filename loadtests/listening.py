"""The little of an HTTP/1.1 server that a receiver of webhooks needs, as it may break connections off.

Import Locust before: see `transport`. In the lab it shares the processors with what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, BinaryIO

import gevent
from gevent.server import StreamServer

from loadtests.receiver import Reply

LINE_MAX = 8192
HEADERS_MAX = 100
BODY_MAX = 4 * 2**20
# A sender keeps connections for half a minute; one that says nothing for longer is gone.
IDLE_S = 60.0

Receive = Callable[[Mapping[str, str], bytes], Reply]


class Listener:
    """Listens from the start on, at a port of its own; `close` ends every connection."""

    def __init__(self, address: str, receive: Receive) -> None:
        self._receive = receive
        self._server = StreamServer((address, 0), self._serve)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://{self._server.server_host}:{self._server.server_port}/"

    def close(self) -> None:
        self._server.stop(timeout=1)

    def _serve(self, connection: Any, _: object) -> None:
        connection.settimeout(IDLE_S)
        # What the network does to a connection, and what is no HTTP, ends it; the sender tries again.
        with suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while (request := _read(stream)) is not None:
                reply = self._receive(*request)
                gevent.sleep(reply.wait_s)
                if reply.status is None:
                    return
                connection.sendall(_answer(reply.status))


def _answer(status: int) -> bytes:
    length = "" if status == HTTPStatus.NO_CONTENT else "Content-Length: 0\r\n"
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{length}\r\n".encode()


def _read(stream: BinaryIO) -> tuple[dict[str, str], bytes] | None:
    """Return the headers, names in lower case, and the body of the next request; None at the end.

    Raises:
        ValueError: that is no request with a body of known length.
    """
    if not stream.readline(LINE_MAX):
        return None
    headers: dict[str, str] = {}
    for _ in range(HEADERS_MAX):
        line = stream.readline(LINE_MAX).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", ""))
    if not 0 <= length <= BODY_MAX:
        raise ValueError(f"a body of {length} bytes")
    body = stream.read(length)
    return (headers, body) if len(body) == length else None

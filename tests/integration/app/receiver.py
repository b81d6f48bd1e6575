"""A subscriber of webhooks: a real HTTP server that checks signatures and misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[[dict, int], int]
"""Of an event and how often it came before: the status to answer."""


@dataclass
class Receiver:
    """`got` holds every request in its order: event, headers, raw body and the status given."""

    behave: Behaviour = lambda *_: 204
    got: list[tuple[dict, dict, bytes, int]] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict, body: bytes) -> int:
        event = json.loads(body)
        with self._lock:
            before = sum(1 for each in self.got if each[0]["id"] == event["id"])
        status = self.behave(event, before)
        with self._lock:
            self.got.append((event, headers, body, status))
        return status

    @property
    def accepted(self) -> list[dict]:
        return [event for event, _, _, status in self.got if status < 300]


@contextmanager
def receiving(behave: Behaviour | None = None, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver() if behave is None else Receiver(behave)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(headers, body)
            if status == 0:  # no answer at all
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", "0")
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

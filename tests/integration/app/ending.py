"""A pooler before PostgreSQL that ends sessions at a chosen word of theirs, with chosen bytes."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK = 1 << 16
CONNECT_SECONDS = 60.0


def _error(sqlstate: str, text: str) -> bytes:
    fields = b"".join(part.encode() + b"\0" for part in ("SFATAL", "VFATAL", f"C{sqlstate}", f"M{text}"))
    return b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"


# What PostgreSQL says when its postmaster was killed, and PgBouncer behind it.
SERVER_ENDED = _error("57P01", "terminating connection due to unexpected postmaster exit")
POOLER_ENDED = _error("08P01", "server conn crashed?")
READY = b"Z" + struct.pack("!I", 5) + b"I"


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Ending:
    """How sessions end: at the first `times` appearances of `word` in what a client sends.

    `reached`: the server gets the word, and its answer is awaited and kept from the client.
    `noticed`: when set, the server is told that the client is gone.
    """

    word: bytes
    answer: bytes
    reached: bool = False
    times: int = 1
    ended: int = 0
    noticed: threading.Event = field(default_factory=_set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, sent: bytes) -> bool:
        with self.lock:
            if self.word not in sent or self.ended >= self.times:
                return False
            self.ended += 1
            return True


@contextmanager
def ending(dsn: str, how: Ending) -> Iterator[str]:
    """A connection string to the same database, by way of the pooler."""
    there = conninfo_to_dict(dsn)
    server = (str(there["host"]), int(str(there["port"])))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=_accept, args=(listening, server, how), daemon=True)
        accepting.start()
        yield make_conninfo(dsn, port=listening.getsockname()[1], sslmode="disable", gssencmode="disable")
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(CONNECT_SECONDS)


def _accept(listening: socket.socket, server: tuple[str, int], how: Ending) -> None:
    with suppress(OSError):  # it was shut
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_pass_on, args=(client, server, how), daemon=True).start()


def _pass_on(client: socket.socket, server: tuple[str, int], how: Ending) -> None:
    with (
        client,
        socket.create_connection(server, CONNECT_SECONDS) as upstream,
        selectors.DefaultSelector() as ready,
        suppress(OSError),
    ):
        ready.register(client, selectors.EVENT_READ)
        ready.register(upstream, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                content = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
                if not content:
                    return
                if key.fileobj is client and how.takes(content):
                    if how.reached:
                        upstream.sendall(content)
                        upstream.recv(CHUNK)
                    client.sendall(how.answer)
                    client.close()
                    how.noticed.wait(CONNECT_SECONDS)
                    return
                (upstream if key.fileobj is client else client).sendall(content)

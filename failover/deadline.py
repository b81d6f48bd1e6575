"""A deadline for a psycopg connection: one that cancels nothing, as a cancelled commit is a false success."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def deadline(connection: psycopg.Connection[Any], within_s: float) -> Iterator[None]:
    """What takes longer is hung up on: its user gets psycopg.Error, and nothing is cancelled."""
    timer = threading.Timer(within_s, hang_up, (connection.fileno(),))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def hung_up(session: psycopg.Connection[Any], within_s: float = 0.0) -> bool:
    """Whether the server ends an idle session within that time: something to read on it is its end."""
    return session.closed or bool(select.select([session.fileno()], [], [], within_s)[0])


def hang_up(fileno: int) -> None:
    """Ends a connection under its user, who then sees it closed. The descriptor itself stays his."""
    with socket.socket(fileno=os.dup(fileno)) as copy:
        copy.shutdown(socket.SHUT_RDWR)

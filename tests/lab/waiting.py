"""Waiting for what an estate becomes only in time, on machines however busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import psycopg
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from infra.command import CommandError
from infra.hosts import HostError

T = TypeVar("T")

WITHIN_S, EVERY_S = 60.0, 0.5
# What asking may end in while the one who is asked comes up or has no time. RuntimeError: of ssh.
REFUSALS = (
    AssertionError,
    CommandError,
    HostError,
    KazooException,
    KazooTimeoutError,
    OSError,
    RuntimeError,
    httpx.HTTPError,
    psycopg.OperationalError,
)


def until(check: Callable[[], T], *, within_s: float = WITHIN_S, every_s: float = EVERY_S) -> T:
    """What `check` returns once all that it asserts holds. Past the deadline, its last failure is raised."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return check()
        except REFUSALS:
            if time.monotonic() > deadline:
                raise
        time.sleep(every_s)

"""What ZooKeeper holds, read: a znode that is not there is a value, not an error. kazoo's exceptions pass."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import ZnodeStat

log = logging.getLogger(__name__)

# Where Patroni keeps its own: namespace and scope (role postgresql).
PATRONI = "/twinsite/crm"
# An ensemble that takes longer for one answer is as good as none.
ANSWER_S = 2.0
# What asking may end in: a refusal, a lost connection, or no answer in time, which is none of kazoo's errors.
Unanswered = (KazooException, KazooTimeoutError)

Node = tuple[bytes, ZnodeStat]
T = TypeVar("T")


def read(client: KazooClient, *paths: str) -> tuple[Node | None, ...]:
    """Several in one round trip, in this order, which the server keeps. None: not there."""
    asked = [client.get_async(path) for path in paths]
    return tuple(_got(answer) for answer in asked)


def _got(answer: IAsyncResult) -> Node | None:
    try:
        data, stat = answer.get(timeout=ANSWER_S)
    except NoNodeError:
        return None
    return bytes(data), stat


def content(client: KazooClient, path: str) -> bytes | None:
    """What one holds; b"" if nothing was written into it yet, None if it is not there."""
    (node,) = read(client, path)
    return node[0] if node else None


def text(client: KazooClient, path: str) -> str | None:
    """What one says; None if nothing, or if it is not there."""
    return (content(client, path) or b"").decode() or None


def document(client: KazooClient, path: str, decode: Callable[[bytes], T]) -> T | None:
    """What one holds, decoded; None, too, if this version cannot read it (`decode` raises ValueError)."""
    data = content(client, path)
    try:
        return decode(data) if data else None
    except ValueError as error:
        log.warning("%s", error)
        return None


def children(client: KazooClient, path: str) -> tuple[str, ...]:
    """The names below one, sorted; none if it is not there."""
    try:
        return tuple(sorted(client.get_children_async(path).get(timeout=ANSWER_S)))
    except NoNodeError:
        return ()

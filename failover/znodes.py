"""Several znodes read in one round trip."""

from __future__ import annotations

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import ZnodeStat

from failover.leadership import ANSWER_S

Node = tuple[bytes, ZnodeStat]


def read(client: KazooClient, *paths: str) -> tuple[Node | None, ...]:
    """In this order, which the server keeps. None: not there. kazoo's exceptions pass."""
    asked = [client.get_async(path) for path in paths]
    return tuple(_got(answer) for answer in asked)


def _got(answer: IAsyncResult) -> Node | None:
    try:
        data, stat = answer.get(timeout=ANSWER_S)
    except NoNodeError:
        return None
    return bytes(data), stat

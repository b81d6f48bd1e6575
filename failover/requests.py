"""What operators ask of the orchestrator: one znode each below /twinsite/requests, JSON.

A request's znode is ephemeral: it ends with the session of the program that made it, so nothing is begun for
somebody who has left. Once taken, the operation lives in the journal and needs nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from failover.plan import Operation
from failover.verbs import Arguments, Scalar
from failover.znodes import ANSWER_S, Node, children, read

REQUESTS = "/twinsite/requests"
VERSION = 1


class Control(StrEnum):
    """What can be asked besides a new operation."""

    ABORT = "abort"  # end the open operation: back if there is a way back
    RESUME = "resume"  # end the open operation forwards instead of back


class RequestError(ValueError):
    """A znode that holds no request this version can read."""


@dataclass(frozen=True)
class Request:
    """Who wants what, and why. `id` becomes the operation's; `at`: seconds since 1970, for reading only."""

    id: str
    task: Operation | Control
    by: str
    reason: str
    at: float
    arguments: Arguments = ()

    @classmethod
    def of(
        cls, task: Operation | Control, *, name: str, by: str, reason: str, at: float, **arguments: Scalar
    ) -> Request:
        """`name`: makes the id unique beside the second and the task."""
        return cls(f"{int(at)}-{task}-{name}", task, by, reason, at, tuple(sorted(arguments.items())))

    def text(self, name: str) -> str | None:
        found = dict(self.arguments).get(name)
        return None if found is None else str(found)

    def flag(self, name: str) -> bool:
        return bool(dict(self.arguments).get(name, False))


@dataclass(frozen=True)
class Reply:
    """The elected agent's answer. Accepted: an order was journalled under the request's id."""

    accepted: bool
    text: str
    by: str
    epoch: int


@dataclass(frozen=True)
class Document:
    """What a request's znode holds."""

    request: Request
    reply: Reply | None = None

    def to_bytes(self) -> bytes:
        asked, reply = self.request, self.reply
        return json.dumps(
            {
                "version": VERSION,
                "id": asked.id,
                "task": str(asked.task),
                "by": asked.by,
                "reason": asked.reason,
                "at": asked.at,
                "arguments": dict(asked.arguments),
                "reply": [reply.accepted, reply.text, reply.by, reply.epoch] if reply else None,
            }
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Document:
        """Raises RequestError if it is none, or another version's."""
        try:
            raw: dict[str, Any] = json.loads(data)
            if raw["version"] != VERSION:
                raise RequestError(f"request has version {raw['version']}, this program reads {VERSION}")
            request = Request(
                str(raw["id"]),
                _task(raw["task"]),
                str(raw["by"]),
                str(raw["reason"]),
                float(raw["at"]),
                tuple(sorted(raw["arguments"].items())),
            )
            return cls(request, Reply(*raw["reply"]) if raw["reply"] else None)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RequestError(f"not a request: {error}") from error


def _task(name: str) -> Operation | Control:
    return Control(name) if name in set(Control) else Operation(name)


class RequestBox:
    """The requests' znodes, for both sides. kazoo's exceptions pass."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client

    def prepare(self) -> None:
        self._client.ensure_path(REQUESTS)

    def submit(self, request: Request) -> None:
        self.prepare()
        made = self._client.create_async(path_of(request.id), Document(request).to_bytes(), ephemeral=True)
        made.get(timeout=ANSWER_S)

    def withdraw(self, request: Request) -> None:
        try:
            self._client.delete_async(path_of(request.id)).get(timeout=ANSWER_S)
        except NoNodeError:
            return

    def reply_to(self, request: Request) -> Reply | None:
        """Raises NoNodeError when the request is gone (the session that made it was lost)."""
        data, _ = self._client.get_async(path_of(request.id)).get(timeout=ANSWER_S)
        return Document.from_bytes(bytes(data)).reply

    def answer(self, request: Request, reply: Reply) -> None:
        """Nobody may be there any more to read it."""
        try:
            written = self._client.set_async(path_of(request.id), Document(request, reply).to_bytes())
            written.get(timeout=ANSWER_S)
        except NoNodeError:
            return

    def waiting(self) -> tuple[Request, ...]:
        """Requests without a reply, oldest first. What cannot be read is passed over."""
        paths = (path_of(name) for name in children(self._client, REQUESTS))
        found = (_document(node) for node in read(self._client, *paths))
        open_ones = [each.request for each in found if each is not None and each.reply is None]
        return tuple(sorted(open_ones, key=lambda request: request.id))


def _document(node: Node | None) -> Document | None:
    try:
        return Document.from_bytes(node[0]) if node else None
    except RequestError:
        return None


def path_of(name: str) -> str:
    """Where the request of that id lies, as long as who made it is there and has not withdrawn it."""
    return f"{REQUESTS}/{name}"

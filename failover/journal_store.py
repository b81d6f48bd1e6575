"""The journal in ZooKeeper, fenced by the epoch, and its copy on disk."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

from failover.journal import (
    Entry,
    JournalError,
    JournalStore,
    OperationRunningError,
    entry_from_json,
    entry_to_json,
)
from failover.leadership import Leadership, TransactionError
from failover.plan import Operation
from failover.requests import path_of
from failover.znodes import children, content, text

log = logging.getLogger(__name__)

OPERATIONS = "/twinsite/operations"
CURRENT = "/twinsite/current-operation"
# ZooKeeper keeps the journal in memory; the disk copies keep what is older.
KEPT = 200
# Of a znode in a transaction's check: that it is there.
ANY_VERSION = -1


class OrderWithdrawnError(JournalError):
    """The operator has left, or the order was withdrawn; nothing was begun."""


class JournalReader:
    """What anybody with a session may read of the journal. kazoo's exceptions pass."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        self._unreadable: set[str] = set()

    def current(self) -> Entry | None:
        """The open entry."""
        name = open_operation(self._client)
        return self.entry(name) if name is not None else None

    def entries(self) -> tuple[Entry, ...]:
        """All of them, oldest first."""
        return tuple(self.newest())[::-1]

    def newest(self) -> Iterator[Entry]:
        """All of them, newest first, each read when it is asked for.

        Without those of a newer release, which may have steps that this one does not know: history is no
        reason to fail. The open one is, as only who can read it can end it (`current`).
        """
        for name in reversed(children(self._client, OPERATIONS)):
            try:
                entry = self.entry(name)
            except (JournalError, ValueError, KeyError) as error:
                if name not in self._unreadable:
                    log.warning("%s cannot be read and is left out: %r", name, error)
                    self._unreadable.add(name)
                continue
            if entry:
                yield entry

    def entry(self, name: str) -> Entry | None:
        data = content(self._client, _path(name))
        return entry_from_json(json.loads(data)) if data is not None else None


class ZooKeeperJournal(JournalReader):
    """One znode for each operation, and one that says which is open: it can exist once."""

    def __init__(self, client: KazooClient, leadership: Leadership) -> None:
        super().__init__(client)
        self._leadership = leadership

    def prepare(self) -> None:
        self._client.ensure_path(OPERATIONS)

    def open(self, entry: Entry) -> None:
        """What was ordered is opened only while its request stands.

        For planning takes seconds, and whoever withdraws an order is told that nothing was begun.

        Raises:
            OperationRunningError: another is open.
            OrderWithdrawnError: the request is gone.
            DeposedError, TransactionError: as `Leadership.commit`; the id is taken.
        """
        transaction = self._leadership.stamped()
        transaction.create(CURRENT, entry.id.encode())
        transaction.create(_path(entry.id), _bytes(entry))
        if entry.plan.operation is not Operation.AUTOMATIC:
            transaction.check(path_of(entry.id), ANY_VERSION)
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            running = self.current()
            if isinstance(refused.cause, NodeExistsError) and running:
                raise OperationRunningError(running) from refused
            if isinstance(refused.cause, NoNodeError):
                raise OrderWithdrawnError(f"{entry.id} was withdrawn before it was begun") from refused
            raise

    def save(self, entry: Entry) -> None:
        transaction = self._leadership.stamped()
        transaction.set_data(_path(entry.id), _bytes(entry))
        if entry.outcome is not None:
            transaction.delete(CURRENT)
        self._leadership.commit(transaction)

    def trim(self) -> None:
        """Forgets the oldest closed entries beyond `KEPT`."""
        for entry in self.entries()[:-KEPT]:
            if entry.outcome is not None:
                transaction = self._leadership.stamped()
                transaction.delete(_path(entry.id))
                self._leadership.commit(transaction)


def _path(name: str) -> str:
    return f"{OPERATIONS}/{name}"


def _bytes(entry: Entry) -> bytes:
    return json.dumps(entry_to_json(entry), separators=(",", ":")).encode()


class FileJournal:
    """One JSON file for each operation. Alone it serves recover-quorum, when there is no ZooKeeper."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, entry: Entry) -> None:
        if running := self.current():
            raise OperationRunningError(running)
        self.save(entry)

    def save(self, entry: Entry) -> None:
        """Whole or not at all: a reader never sees half an entry."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new = self._directory / f".{entry.id}.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(entry_to_json(entry), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._directory / f"{entry.id}.json")

    def current(self) -> Entry | None:
        return next((entry for entry in self.entries() if entry.outcome is None), None)

    def entries(self) -> tuple[Entry, ...]:
        files = sorted(self._directory.glob("*.json")) if self._directory.is_dir() else []
        return tuple(entry_from_json(json.loads(file.read_text(encoding="utf-8"))) for file in files)


def open_operation(client: KazooClient) -> str | None:
    """The id of the operation that is open."""
    return text(client, CURRENT)


class Copied:
    """A journal that is also written to disk. A full disk must not stop a failover: it is logged.

    Nor must a slow one hold it up: the copy is written by a thread of its own, a moment later.
    """

    def __init__(self, store: JournalStore, copy: FileJournal) -> None:
        self._store = store
        self._copy = copy
        self._pending: queue.Queue[Entry] = queue.Queue()
        threading.Thread(target=self._work, name="journal", daemon=True).start()

    def open(self, entry: Entry) -> None:
        self._store.open(entry)
        self._keep(entry)

    def save(self, entry: Entry) -> None:
        self._store.save(entry)
        self._keep(entry)

    def current(self) -> Entry | None:
        return self._store.current()

    def entries(self) -> tuple[Entry, ...]:
        return self._store.entries()

    def _keep(self, entry: Entry) -> None:
        self._pending.put(entry)

    def _work(self) -> None:
        while True:
            entry = self._pending.get()
            try:
                self._copy.save(entry)
            except Exception:
                log.exception("no copy of %s on disk; the next one is tried all the same", entry.id)

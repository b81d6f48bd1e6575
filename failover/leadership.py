"""Who is the orchestrator: one at a time, under an epoch that only rises. Over kazoo's threaded client.

Place and epoch are taken in one transaction, so every effect in ZooKeeper can carry `check(epoch)`, and a
deposed orchestrator cannot commit anything. SUSPENDED means "stop acting", LOST means "start over".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from kazoo.client import KazooClient, KazooState, TransactionRequest
from kazoo.exceptions import RolledBackError

from failover.journal import DeposedError, JournalError
from failover.znodes import ANSWER_S, Unanswered, read, text

log = logging.getLogger(__name__)

ROOT = "/twinsite/agents"
EPOCH = f"{ROOT}/epoch"
LEADER = f"{ROOT}/leader"


class TransactionError(JournalError):
    """ZooKeeper refused a transaction; `cause` is the operation that did not hold."""

    def __init__(self, cause: Exception, place: int) -> None:
        self.cause = cause
        self.place = place
        super().__init__(f"operation {place} of the transaction: {type(cause).__name__}")


def commit(transaction: TransactionRequest) -> list[object]:
    """Commits, or says which operation did not hold.

    Raises:
        TransactionError: nothing was changed.
        DeposedError: no answer in time; whether it was committed is unknown, and we must stop.
    """
    try:
        results = transaction.commit_async().get(timeout=ANSWER_S)
    except Unanswered as error:
        raise DeposedError(f"ZooKeeper does not answer: {error!r}") from error
    for place, result in enumerate(results):
        if isinstance(result, Exception) and not isinstance(result, RolledBackError):
            raise TransactionError(result, place)
    return list(results)


@dataclass(frozen=True)
class Term:
    """A time in office: `epoch` is the version of the epoch's znode, `session` ours."""

    epoch: int
    session: int


def holder(client: KazooClient) -> str | None:
    """Who is in office, as this session's server knows it."""
    return text(client, LEADER)


class Leadership:
    """Stands for election, knows its term, stamps transactions with it."""

    def __init__(self, client: KazooClient, name: str) -> None:
        self._client = client
        self._name = name
        self._term: Term | None = None
        self._connected = client.connected
        client.add_listener(self._on_state)

    def _on_state(self, state: str) -> None:
        self._connected = state == KazooState.CONNECTED
        if state == KazooState.LOST:
            self._term = None
        log.info("session %s", str(state).lower())

    @property
    def epoch(self) -> int:
        """Our epoch; -1 out of office, which no check ever accepts."""
        return self._term.epoch if self._term else -1

    @property
    def in_office(self) -> bool:
        return self._term is not None and self._connected

    def prepare(self) -> None:
        """Makes the znodes that never go away again."""
        for path in (EPOCH, f"{ROOT}/views", f"{ROOT}/orders"):
            self._client.ensure_path(path)

    def holder(self) -> str | None:
        """Who is in office, as this session's server knows it."""
        return holder(self._client)

    def campaign(self) -> bool:
        """Takes office if it is free. True if we hold it after the call.

        It is free, too, if this session holds it unawares: the answer to the transaction that took it was
        lost with a connection. Nobody else could take it, and we would wait for our own session to end.
        """
        if self.in_office:
            return True
        identity = self._client.client_id
        if not self._connected or identity is None:
            return False
        session = identity[0]
        place, epoch = read(self._client, LEADER, EPOCH)
        if epoch is None:
            raise DeposedError(f"{EPOCH} is missing: an agent makes it when it starts")
        if place is not None and place[1].ephemeralOwner != session:
            return False
        version = epoch[1].version
        transaction = self._client.transaction()
        transaction.set_data(EPOCH, self._name.encode(), version=version)
        if place is not None:
            log.warning("this session holds the office unawares: taking it anew")
            transaction.delete(LEADER, version=place[1].version)
        transaction.create(LEADER, self._name.encode(), ephemeral=True)
        try:
            commit(transaction)
        except TransactionError as beaten:
            log.info("another was faster: %s", beaten)
            return False
        self._term = Term(version + 1, session)
        log.info("in office under epoch %d", self._term.epoch)
        return True

    def check(self) -> None:
        """Raises DeposedError unless ZooKeeper confirms now that our epoch is the last."""
        if not self.in_office:
            raise DeposedError("no session, or no office")
        try:
            self._client.sync_async(EPOCH).get(timeout=ANSWER_S)
            _, stat = self._client.get_async(EPOCH).get(timeout=ANSWER_S)
        except Unanswered as error:
            raise DeposedError(f"ZooKeeper does not answer: {error!r}") from error
        if stat.version != self.epoch:
            raise DeposedError(f"epoch {stat.version} has begun, ours is {self.epoch}")

    def stamped(self) -> TransactionRequest:
        """A transaction that commits only under our epoch. Raises DeposedError if we have none."""
        if not self.in_office:
            raise DeposedError("no session, or no office")
        transaction = self._client.transaction()
        transaction.check(EPOCH, self.epoch)
        return transaction

    def commit(self, transaction: TransactionRequest) -> list[object]:
        """Commits a stamped transaction. Raises DeposedError if its stamp is void, else as `commit`."""
        try:
            return commit(transaction)
        except TransactionError as refused:
            if refused.place == 0:
                self._term = None
                raise DeposedError("another epoch has begun") from refused
            raise

    def resign(self) -> None:
        """Leaves office, for one who can do it better."""
        if not self.in_office:
            return
        transaction = self.stamped()
        transaction.delete(LEADER)
        try:
            self.commit(transaction)
        except TransactionError as gone:
            log.info("nothing to resign from: %s", gone)
        self._term = None

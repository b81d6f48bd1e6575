"""One command on its way to a COMMIT: the transaction, its replay, and what their failures mean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import psycopg
import structlog

from app import metrics
from app.access.principal import Access
from app.database.answer import Answer, Command, Committed, Provenance
from app.database.connection import CrmConnection
from app.database.copies import SELECT_SYNCHRONOUS, Durability, Sites
from app.database.outcome import READ_ONLY, Failure, Verdict, judge
from app.database.route import Route
from app.database.statements import Reply
from app.database.units import (
    REPLAY,
    CommitPermit,
    KeyReusedError,
    KeyVanishedError,
    WriteUnit,
    check_committed,
    only,
    to_provenance,
    to_replay,
)
from app.errors import Problem, ProblemError

log = structlog.get_logger(__name__)

Work = Callable[[WriteUnit], Awaitable[Answer]]

UNKNOWN_DETAIL = (
    "the database did not confirm the commit; repeat with the same Idempotency-Key to learn the outcome"
)


UNCOPIED_DETAIL = (
    "committed, but no other site has a copy and the policy is strict; repeat with the same Idempotency-Key"
    " until one has"
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What this installation promises of an acknowledged write, and where the copies stand."""

    durability: Durability
    sites: Sites

    @property
    def looks(self) -> bool:
        return self.durability is not Durability.UNCHECKED


class KeyAnsweredError(Exception):
    """The key has a stored answer."""


class Execution:
    """Runs in a task that nobody cancels; its client may leave, the unit goes on to a certain end."""

    def __init__(
        self,
        route: Route,
        command: Command,
        work: Work,
        access: Access,
        promise: Promise,
        *,
        site: str,
        shut_after_seconds: float,
    ) -> None:
        self._promise = promise
        self.permit = CommitPermit()
        self._route = route
        self._command = command
        self._work = work
        self._access = access
        self._site = site
        self._shut_after_seconds = shut_after_seconds
        self._connection: CrmConnection | None = None

    async def run(self) -> Committed:
        """Raises ProblemError, Route…Error when nothing was sent, psycopg.Error for a refused statement."""
        try:
            return await self._attempt(self._execute)
        except KeyAnsweredError:
            return await self._attempt(self._replay)

    def shut(self) -> None:
        """Last resort when the process ends: leave without a cancel."""
        if self._connection is not None:
            self._connection.shut()

    async def _attempt(self, transaction: Callable[[CrmConnection], Awaitable[Committed]]) -> Committed:
        async with self._route.connection() as connection:
            self._connection = connection
            try:
                with connection.shut_after(self._shut_after_seconds):
                    committed = await transaction(connection)
            except psycopg.Error as error:
                await _roll_back(connection)
                raise self._explain(error, connection) from error
            except Exception:
                await _roll_back(connection)
                raise
            finally:
                self._connection = None
            if connection.commit_doubt is not None:
                log.warning("commit in doubt", reason=connection.commit_doubt)
                raise ProblemError(Problem.OUTCOME_UNKNOWN, UNKNOWN_DETAIL)
            self._note_copies(committed.provenance)
            return committed

    def _note_copies(self, where: Provenance) -> None:
        """An acknowledgement without a remote copy is counted, or not given.

        Raises:
            ProblemError: the policy is strict. The same key commits again, and waits for what is named then.
        """
        if where.remote_copy is not False:
            return
        if self._promise.durability is Durability.STRICT:
            metrics.WRITES_UNCOPIED.inc()
            log.warning("committed without a remote copy", node=where.node, lsn=where.lsn)
            raise ProblemError(Problem.OUTCOME_UNKNOWN, UNCOPIED_DETAIL)
        metrics.WRITES_EXPOSED.inc()
        log.warning("acknowledged while exposed", node=where.node, timeline=where.timeline, lsn=where.lsn)

    def _copies_after(self, connection: CrmConnection) -> Reply | None:
        """Queued behind the COMMIT: answered when the commit has ended, by the settings of that moment."""
        return connection.statements.queue(SELECT_SYNCHRONOUS) if self._promise.looks else None

    def _with_copies(self, committed: Committed, looked: Reply | None) -> Committed:
        if looked is None:
            return committed
        row = looked.row()
        assert row is not None
        where = committed.provenance
        copied = self._promise.sites.has_remote_copy(where.node, str(row[0]))
        return replace(committed, provenance=replace(where, remote_copy=copied))

    async def _execute(self, connection: CrmConnection) -> Committed:
        unit = WriteUnit(connection, self.permit, self._access, self._site)
        unit.begin(self._command)
        answer = await self._work(unit)
        where = unit.store(self._command, answer)
        commit = unit.commit()
        looked = self._copies_after(connection)
        await connection.statements.send()
        check_committed(commit)
        return self._with_copies(Committed(answer, to_provenance(where.row())), looked)

    async def _replay(self, connection: CrmConnection) -> Committed:
        unit = WriteUnit(connection, self.permit, self._access, self._site)
        key = {"principal": self._command.principal, "key": self._command.key}
        try:
            unit.begin_replay()
            rows = await unit.all(REPLAY, key, lambda row: to_replay(row, self._command.fingerprint))
            committed = only(rows)
            commit = unit.commit()
            looked = self._copies_after(connection)
            await connection.statements.send()
        except KeyReusedError:
            detail = "the key belongs to a request with another method, path or body; use a new key"
            raise ProblemError(Problem.KEY_REUSED, detail) from None
        except KeyVanishedError:
            raise ProblemError(
                Problem.KEY_IN_PROGRESS, "the stored answer expired just now; repeat"
            ) from None
        check_committed(commit)
        return self._with_copies(committed, looked)

    def _explain(self, error: psycopg.Error, connection: CrmConnection) -> Exception:
        verdict = judge(Failure.of(error, commit_sent=connection.commit_sent, session_alive=connection.alive))
        if verdict is Verdict.REFUSED:
            return error
        if verdict is Verdict.KEY_ANSWERED:
            return KeyAnsweredError()
        log.info("unit failed", verdict=verdict.name, sqlstate=error.sqlstate, error=str(error))
        if verdict is Verdict.NO_PRIMARY or error.sqlstate == READ_ONLY:
            self._route.distrust()
        return explain(verdict)


def explain(verdict: Verdict) -> ProblemError:
    """What a client is told. Not for REFUSED and KEY_ANSWERED, which have better explanations."""
    problem, detail = _EXPLANATIONS[verdict]
    return ProblemError(problem, detail)


_EXPLANATIONS = {
    Verdict.UNKNOWN: (Problem.OUTCOME_UNKNOWN, UNKNOWN_DETAIL),
    Verdict.NO_PRIMARY: (Problem.NO_PRIMARY, "the database cannot take writes now; nothing was done"),
    Verdict.BUSY: (Problem.DATABASE_BUSY, "another request holds what this one needs; nothing was done"),
    Verdict.KEY_IN_PROGRESS: (
        Problem.KEY_IN_PROGRESS,
        "a request with this key is being worked on; repeat it to get its answer",
    ),
}


async def _roll_back(connection: CrmConnection) -> None:
    """Leave the connection idle for the next unit, or closed."""
    if not connection.alive:
        return
    try:
        await connection.rollback()
    except psycopg.Error as error:
        log.info("rollback failed", error=str(error))
        await connection.close()

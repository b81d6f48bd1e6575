"""The two routes together: reads by freshness, writes under the commit discipline.

docs/decisions/0101-commit-discipline.md gives the reasons for every step of a write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
import structlog

from app import metrics
from app.access.principal import NOBODY, TRUSTED, Access, current_access
from app.database.answer import Command, Committed
from app.database.copies import Durability, Gate, Sites
from app.database.execution import UNKNOWN_DETAIL, Execution, Promise, Work, explain
from app.database.outcome import Failure, Verdict, judge
from app.database.route import Route, RouteName, RouteOverloadedError, RouteUnavailableError, Seen
from app.database.units import PLAN_ONCE, Parameters, Read, UnitAbandonedError
from app.errors import Problem, ProblemError, not_found
from app.settings import Settings

log = structlog.get_logger(__name__)
T = TypeVar("T")

NO_PRIMARY_DETAIL = "no primary database answers; nothing was done"
NO_REMOTE_COPY_DETAIL = "no other site has a copy of what is written now, and the policy is strict"


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a read may be served from, and the name under which it appears in PostgreSQL."""

    trace: str
    stale_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The rows of a read, and whether a replica gave them."""

    rows: Sequence[T]
    from_replica: bool

    @property
    def first(self) -> T | None:
        return self.rows[0] if self.rows else None

    def one(self, what: str) -> T:
        """The first row. Raises ProblemError (not-found), which says what is not there."""
        if not self.rows:
            raise not_found(what)
        return self.rows[0]


class Database:
    """Opened once per process. Never blocks longer than the deadline it is given."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.primary = Route(RouteName.PRIMARY, settings.database_url.get_secret_value(), settings)
        self.replica = (
            Route(RouteName.REPLICA, settings.replica_url.get_secret_value(), settings)
            if settings.replica_url
            else None
        )
        self._open: dict[asyncio.Task[Committed], Execution] = {}
        self._promise = Promise(settings.durability, Sites.parse(settings.database_sites))
        self._gate = Gate(settings.write_gate)

    @property
    def site(self) -> str:
        return self._settings.site

    def _access(self) -> Access:
        """Whoever the task acts as; what nobody asked for reaches nothing, unless the network is trusted."""
        return current_access() or (NOBODY if self._settings.sign_in_required else TRUSTED)

    @property
    def routes(self) -> tuple[Route, ...]:
        return (self.primary,) if self.replica is None else (self.primary, self.replica)

    async def open(self) -> None:
        for route in self.routes:
            await route.open()

    async def close(self) -> None:
        """Give units under way the time to end, then leave the rest without cancelling a commit."""
        if self._open:
            await asyncio.wait(set(self._open), timeout=self._settings.drain_seconds)
        for execution in tuple(self._open.values()):
            execution.shut()
        if self._open:
            await asyncio.wait(set(self._open), timeout=1.0)
        for route in self.routes:
            await route.close()

    async def write(self, command: Command, work: Work) -> Committed:
        """Run the work in one transaction, exactly once per key.

        Raises ProblemError, and psycopg.Error for a statement that PostgreSQL refused (rolled back).
        """
        if self.primary.lacks_primary:
            raise ProblemError(Problem.NO_PRIMARY, NO_PRIMARY_DETAIL)
        if self.writes_refused:
            raise ProblemError(Problem.NO_REMOTE_COPY, NO_REMOTE_COPY_DETAIL)
        execution, task = self._start(command, work)
        # Unlike wait_for, wait cancels nothing: neither at the deadline nor when the client leaves.
        done, _ = await asyncio.wait({task}, timeout=command.deadline_seconds)
        if not done:
            raise _too_late(execution)
        try:
            return task.result()
        except RouteUnavailableError as error:
            raise ProblemError(Problem.NO_PRIMARY, NO_PRIMARY_DETAIL) from error
        except RouteOverloadedError as error:
            raise ProblemError(Problem.OVERLOADED, "too many requests wait for a connection") from error
        except psycopg.errors.InsufficientPrivilege as error:
            log.warning("refused by the database", error=str(error), principal=command.principal)
            raise ProblemError(Problem.FORBIDDEN, "it would lie outside of your zone") from error

    @property
    def writes_refused(self) -> bool:
        """Strict, and the gate is closed or the last look at the primary found no copy elsewhere."""
        if self._promise.durability is not Durability.STRICT:
            return False
        sight = self.primary.sight
        exposed = sight.seen is Seen.PRIMARY and not self._promise.sites.has_remote_copy(
            sight.node, sight.synchronous
        )
        return exposed or self._gate.closed

    def _start(self, command: Command, work: Work) -> tuple[Execution, asyncio.Task[Committed]]:
        shut_after = command.deadline_seconds + self._settings.abandon_seconds
        execution = Execution(
            self.primary,
            command,
            work,
            self._access(),
            self._promise,
            site=self.site,
            shut_after_seconds=shut_after,
        )
        task = asyncio.create_task(execution.run(), name=f"unit {command.trace}")
        self._open[task] = execution
        metrics.UNITS_OPEN.inc()
        task.add_done_callback(self._ended)
        return execution, task

    def _ended(self, task: asyncio.Task[Committed]) -> None:
        del self._open[task]
        metrics.UNITS_OPEN.dec()
        metrics.writes(_outcome(task)).inc()

    async def read(self, statement: Read[T], parameters: Parameters, freshness: Freshness) -> Found[T]:
        """All rows. From a replica if that is allowed and one answers, else from the primary.

        Raises ProblemError when no suitable server answers; not-found for parts of what is not there.
        """
        found = await self._read(statement, parameters, freshness)
        if not found.rows and (whole := statement.part_of) is not None:
            (await self._read(whole.there, parameters, freshness)).one(whole.word)
        return found

    async def _read(self, statement: Read[T], parameters: Parameters, freshness: Freshness) -> Found[T]:
        problem: ProblemError | None = None
        for route in self._candidates(freshness):
            try:
                rows = await self._read_from(route, statement, parameters, freshness)
            except RouteUnavailableError:
                problem = _unreadable(freshness)
            except RouteOverloadedError:
                problem = ProblemError(Problem.OVERLOADED, "too many requests wait for a connection")
            except psycopg.Error as error:
                problem = self._explain_read(error, route, freshness)
            else:
                metrics.reads(route.name).inc()
                return Found(rows, route.name is RouteName.REPLICA and route.sight.seen is not Seen.PRIMARY)
        raise problem or ProblemError(Problem.NO_DATABASE, "no database answers")

    def _candidates(self, freshness: Freshness) -> tuple[Route, ...]:
        """Routes worth trying, best first. A fresh read is refused at once where no primary was seen."""
        if not freshness.stale_allowed:
            if self.primary.lacks_primary:
                raise ProblemError(Problem.NO_PRIMARY, f"{NO_PRIMARY_DETAIL}; stale reads may be allowed")
            return (self.primary,)
        return tuple(route for route in reversed(self.routes) if route.sight.seen is not Seen.NOBODY)

    async def _read_from(
        self, route: Route, statement: Read[T], parameters: Parameters, freshness: Freshness
    ) -> Sequence[T]:
        gate = {
            "trace": freshness.trace,
            "fresh": not freshness.stale_allowed,
            **self._access().parameters,
        }
        async with route.connection() as connection:
            with connection.shut_after(self._settings.request_deadline_seconds):
                if statement.planned_once:
                    connection.statements.queue(PLAN_ONCE)
                reply = connection.statements.queue(statement.sql, {**parameters, **gate})
                await connection.statements.send()
        return [statement.make(row) for row in reply.rows()]

    def _explain_read(self, error: psycopg.Error, route: Route, freshness: Freshness) -> ProblemError:
        verdict = judge(Failure.of(error, commit_sent=False))
        log.info(
            "read failed", route=route.name, verdict=verdict.name, sqlstate=error.sqlstate, error=str(error)
        )
        if verdict is Verdict.NO_PRIMARY:
            route.distrust()
            return _unreadable(freshness)
        if verdict is Verdict.BUSY:
            return explain(verdict)
        raise error


def _unreadable(freshness: Freshness) -> ProblemError:
    if freshness.stale_allowed:
        return ProblemError(Problem.NO_DATABASE, "neither a replica nor the primary answers")
    return ProblemError(Problem.NO_PRIMARY, f"{NO_PRIMARY_DETAIL}; stale reads may be allowed")


def _too_late(execution: Execution) -> ProblemError:
    """At the deadline: forbid the commit if it was not sent; else the outcome is open."""
    if execution.permit.withdraw():
        return ProblemError(Problem.DATABASE_BUSY, "the database did not get to it in time; nothing was done")
    return ProblemError(Problem.OUTCOME_UNKNOWN, UNKNOWN_DETAIL)


def _outcome(task: asyncio.Task[Committed]) -> str:
    """The label of a unit's end; also fetches an exception that nobody waited for."""
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    if error is None:
        return "replayed" if task.result().replayed else "committed"
    if isinstance(error, ProblemError):
        return error.problem.value.code
    if isinstance(error, RouteUnavailableError):
        return Problem.NO_PRIMARY.value.code
    if isinstance(error, UnitAbandonedError):
        return "abandoned"
    return "refused" if isinstance(error, psycopg.IntegrityError) else type(error).__name__

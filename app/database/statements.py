"""The statements of one session: prepared there once, sent together, answered together.

A unit of work needs of the driver libpq, the conversion of values and the errors. psycopg's cursors, which
suit every program, bring for each statement adapters of its own, a packet and a turn of the event loop: that
was half of what a write cost (docs/decisions/0107-statements-without-cursors.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import adapt, generators
from psycopg.abc import Buffer, PQGen, Transformer
from psycopg.adapt import PyFormat
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from app.database.connection import CrmConnection

PREPARED_MAX = 200  # of a session; the oldest makes room. Each costs PostgreSQL some ten kilobytes
_PLACEHOLDER = re.compile(r"%(?:%|\((\w+)\)s)")
_DONE = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})

# What is prepared: a query and the types (OIDs) of its parameters.
Key: TypeAlias = tuple[bytes, tuple[int, ...]]
Values: TypeAlias = Sequence[Buffer | None] | None
Formats: TypeAlias = Sequence[Format] | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as PostgreSQL takes it, with `$1` for the first of `names`, and so on."""

    query: bytes
    names: Sequence[str]
    formats: Sequence[PyFormat]


@lru_cache(maxsize=2_000)
def compiled(sql: str) -> Compiled:
    """From `%(name)s`, which may stand in several places, and `%%` for a percent sign."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    query = _PLACEHOLDER.sub(numbered, sql).encode()
    return Compiled(query, tuple(numbers), [PyFormat.AUTO] * len(numbers))


class Reply:
    """A statement, and what it was answered once it was sent."""

    __slots__ = ("_adapter", "formats", "key", "result", "values")

    def __init__(
        self, adapter: Transformer, key: Key, values: Values = None, formats: Formats = None
    ) -> None:
        self._adapter = adapter
        self.key = key
        self.values = values
        self.formats = formats
        self.result: PGresult | None = None

    @property
    def status(self) -> str:
        """The command's tag: COMMIT, ROLLBACK, INSERT 0 1."""
        return "" if self.result is None else (self.result.command_status or b"").decode()

    def rows(self) -> list[TupleRow]:
        assert self.result is not None, "not sent yet"
        self._adapter.set_pgresult(self.result)
        return self._adapter.load_rows(0, self.result.ntuples, tuple)

    def row(self) -> TupleRow | None:
        """The first, if there is one."""
        return next(iter(self.rows()), None)


class Statements:
    """Of one connection, which nobody else uses meanwhile."""

    def __init__(self, connection: CrmConnection) -> None:
        self._connection = connection
        self._adapter: Transformer = adapt.Transformer(connection)
        self._queue: list[Reply] = []
        self._names: dict[Key, bytes] = {}
        self._prepared = 0

    def queue(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Reply:
        """To go along with the next `send`. Raises psycopg.Error for a value that PostgreSQL cannot take."""
        adapter = self._adapter
        if parameters is None:
            reply = Reply(adapter, (sql.encode(), ()))
        else:
            statement = compiled(sql)
            values = adapter.dump_sequence([parameters[name] for name in statement.names], statement.formats)
            reply = Reply(adapter, (statement.query, adapter.types or ()), values, adapter.formats)
        self._queue.append(reply)
        return reply

    def forget(self) -> None:
        """Whatever was queued and not sent."""
        self._queue.clear()

    async def send(self) -> None:
        """All that is queued in one packet, answered in one round trip.

        Raises psycopg.Error: the first. What stood behind it was not executed, unless the session was lost.
        """
        queued, self._queue = self._queue, []
        await self._connection.wait(self._exchange(queued))

    def _exchange(self, queued: Sequence[Reply]) -> PQGen[None]:
        pgconn = self._connection.pgconn
        pgconn.enter_pipeline_mode()
        try:
            sent = [*self._put(queued)]
            pgconn.pipeline_sync()
            yield from generators.send(pgconn)
            yield from self._take(sent)
        finally:
            self._leave_pipeline()

    def _leave_pipeline(self) -> None:
        """Or end the session, where answers are still owed: whoever asked next would be given them."""
        pgconn = self._connection.pgconn
        if pgconn.status == ConnStatus.BAD:
            return
        try:
            pgconn.exit_pipeline_mode()
        except psycopg.OperationalError:
            pgconn.finish()

    def _put(self, queued: Sequence[Reply]) -> Iterator[Reply | Key | None]:
        """Into libpq's buffer. Yields what each answer belongs to: a statement, or one that is prepared."""
        pgconn = self._connection.pgconn
        for each in queued:
            name = self._names.get(each.key)
            if name is None:
                if len(self._names) >= PREPARED_MAX:
                    pgconn.send_close_prepared(self._names.pop(next(iter(self._names))))
                    yield None
                self._prepared += 1
                name = self._names[each.key] = b"crm_%d" % self._prepared
                pgconn.send_prepare(name, *each.key)
                yield each.key
            pgconn.send_query_prepared(name, each.values, each.formats)
            yield each

    def _take(self, sent: Sequence[Reply | Key | None]) -> PQGen[None]:
        """The answers, and then that of the synchronisation, after which the session is free again."""
        pgconn = self._connection.pgconn
        failure: psycopg.Error | None = None
        try:
            for each in sent:
                result = _first((yield from generators.fetch_many(pgconn)))
                if isinstance(each, Reply):
                    each.result = result
                if result.status not in _DONE:
                    if isinstance(each, tuple):
                        del self._names[each]
                    failure = failure or error_from_result(result)
            yield from generators.fetch_many(pgconn)
        except psycopg.OperationalError as lost:
            raise failure or lost from None
        if failure is not None:
            raise failure


def _first(results: Sequence[PGresult]) -> PGresult:
    """The answer. Of a session's end there may be two, the server's and the pooler's: the first says why."""
    if not results:
        raise psycopg.OperationalError("the session ended without an answer")
    return results[0]

"""Units of work: one transaction each, pipelined so that a unit costs as few round trips as it has questions.

`WriteUnit` is handed to a service's work; the runner around it (`app.database.database`) begins, stores the
answer and commits. Statements only queue up until somebody needs a result, so a work that needs none is one
round trip in all: BEGIN, gate, work, answer, COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.access.principal import Access
from app.audit.entries import of_write
from app.database.answer import Answer, Command, Committed, Provenance
from app.database.connection import CrmConnection
from app.database.statements import Reply

T = TypeVar("T")
Parameters = Mapping[str, Any]

# Every read has it in its WHERE clause. An uncorrelated sub-select becomes a one-time filter, evaluated
# before any row is touched, for about 3 µs (measured); a statement of its own would cost 30.
# It must stand in the outermost WHERE: row-level security inside looks at the settings that the gate makes.
READ_GATE = "(SELECT crm.open_read(%(trace)s, %(fresh)s, %(as_principal)s, %(as_reads)s))"

WHERE_COMMITTED = (
    "coalesce(host(inet_server_addr()), 'local'),"
    " ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer,"
    " pg_current_wal_insert_lsn()::text"
)
OPEN_WRITE = (
    "SELECT crm.open_write(%(trace)s, %(principal)s, %(key)s, %(as_reads)s, %(as_creates)s, %(as_changes)s,"
    " %(as_stamp)s)"
)
HOLD_TERM = "SELECT crm.hold_term(%(epoch)s)"
ACT = "SELECT crm.act(%(as_principal)s, %(as_reads)s, %(as_creates)s, %(as_changes)s, %(as_stamp)s)"
# Who did what, in the statement and transaction that store the answer (docs/decisions/0150-audit.md).
AUDIT = """
WITH audited AS (
    INSERT INTO crm.audit_pending (id, site, kind, principal, unit, region, partner, operation, status,
    subjects,
                                   trace, client, fingerprint)
    VALUES (%(audit_id)s, %(site)s, 'write', %(actor)s, %(unit)s, %(region)s, %(partner)s, %(operation)s,
            %(status)s, %(subjects)s, %(trace)s, %(client)s, %(fingerprint)s)
)"""
STORE_ANSWER = f"""{AUDIT}
INSERT INTO crm.idempotency_key (principal, key, fingerprint, status, headers, body)
VALUES (%(principal)s, %(key)s, %(fingerprint)s, %(status)s, %(headers)s, %(body)s)
RETURNING {WHERE_COMMITTED}
"""
SELECT_PROVENANCE = f"SELECT {WHERE_COMMITTED}"
AUDIT_ONLY = f"{AUDIT} {SELECT_PROVENANCE}"

# A replay must not acknowledge what may exist on one node only, as after a commit whose wait was cancelled:
# it writes, and its own commit waits for the standbys to have everything up to and including it.
REPLAY = f"""
UPDATE crm.idempotency_key SET replays = replays + 1
WHERE principal = %(principal)s AND key = %(key)s
RETURNING fingerprint, status, headers, body, {WHERE_COMMITTED}
"""


# For the statements that leave with it, which are one transaction up to their end.
PLAN_ONCE = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)"


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A read-only statement and how to make one of its rows into a T. One round trip, no BEGIN.

    `part_of`: without that, no rows are not an empty list but a 404.
    `planned_once`: one plan is good for all parameters. PostgreSQL weighs that anew at each execution, by
    planning for what was given, where it takes the one plan for much dearer: the search cost five times as
    much. Not for a statement whose best index depends on how frequent a value is.
    """

    sql: str
    make: Callable[[TupleRow], T]
    part_of: Whole | None = None
    planned_once: bool = False

    def __post_init__(self) -> None:
        if READ_GATE not in self.sql:
            raise ValueError(f"a read must pass the gate {READ_GATE}: {self.sql}")


@dataclass(frozen=True, slots=True)
class Whole:
    """What the rows of a read are parts of. Looked for where there are none: a 404, or an empty list.

    `there`: a read that finds it by the same parameters.
    """

    word: str
    there: Read[Any]

    @classmethod
    def row(cls, word: str, table: str, parameter: str) -> Whole:
        """The row of that id, if whoever asks reaches it."""
        sql = f"SELECT true FROM {table} AS w WHERE {READ_GATE} AND w.id = %({parameter})s"
        return cls(word, Read(sql, bool))


class UnitAbandonedError(Exception):
    """Its client was answered already; it must not commit any more."""


class CommitRefusedError(Exception):
    """COMMIT was answered with ROLLBACK: a failed statement's error was swallowed on the way."""


class KeyReusedError(Exception):
    """The key was used for a request of other content."""


class KeyVanishedError(Exception):
    """The stored answer was removed between the two looks at it; repeat."""


class CommitPermit:
    """Whether COMMIT may be sent: the unit takes it or the deadline withdraws it, whichever is first."""

    def __init__(self) -> None:
        self._taken = False
        self._withdrawn = False

    def take(self) -> None:
        if self._withdrawn:
            raise UnitAbandonedError
        self._taken = True

    def withdraw(self) -> bool:
        """Forbid the commit. False if it is too late and the outcome open."""
        self._withdrawn = not self._taken
        return self._withdrawn


class WriteUnit:
    """What a service may do in the transaction. A queued statement's error surfaces at the next result."""

    def __init__(self, connection: CrmConnection, permit: CommitPermit, access: Access, site: str) -> None:
        self._connection = connection
        self._statements = connection.statements
        self._access = access
        self._site = site
        self._permit = permit

    async def queue(self, sql: str, parameters: Parameters | None = None) -> None:
        """Send along with the next statement that has a result, or with the commit."""
        self._statements.queue(sql, parameters)

    async def one(self, sql: str, parameters: Parameters, make: Callable[[TupleRow], T]) -> T | None:
        """The first row; a round trip."""
        reply = self._statements.queue(sql, parameters)
        await self._statements.send()
        row = reply.row()
        return None if row is None else make(row)

    async def all(self, sql: str, parameters: Parameters, make: Callable[[TupleRow], T]) -> list[T]:
        """All rows; a round trip."""
        reply = self._statements.queue(sql, parameters)
        await self._statements.send()
        return [make(row) for row in reply.rows()]

    def begin(self, command: Command) -> None:
        self._statements.queue("BEGIN")
        parameters = {"trace": command.trace, "principal": command.principal, "key": command.key}
        self._statements.queue(OPEN_WRITE, {**self._access.parameters, **parameters})
        if command.epoch is not None:
            self._statements.queue(HOLD_TERM, {"epoch": command.epoch})

    def begin_replay(self) -> None:
        """Without a claim of the key, which was answered."""
        self._statements.queue("BEGIN")
        self._statements.queue(ACT, self._access.parameters)

    def commit(self) -> Reply:
        """Queue the COMMIT. From here on only the server knows the outcome.

        Raises UnitAbandonedError if the client was told meanwhile that nothing was done.
        """
        self._permit.take()
        self._connection.commit_sent = True
        return self._statements.queue("COMMIT")

    def store(self, command: Command, answer: Answer) -> Reply:
        """Queue the storing of the answer and its entry in the audit log; the one row is the provenance."""
        if not command.audited or (command.key is None and not answer.audited):
            return self._statements.queue(SELECT_PROVENANCE)
        entry = of_write(command, answer, self._access, self._site)
        if command.key is None:
            return self._statements.queue(AUDIT_ONLY, entry)
        return self._statements.queue(
            STORE_ANSWER,
            {
                **entry,
                "principal": command.principal,
                "key": command.key,
                "headers": Jsonb(dict(answer.headers)),
                "body": answer.body,
            },
        )


def check_committed(reply: Reply) -> None:
    if reply.status != "COMMIT":
        raise CommitRefusedError(f"COMMIT was answered with {reply.status}")


def to_provenance(row: Sequence[Any] | None) -> Provenance:
    assert row is not None
    node, timeline, lsn = row
    return Provenance(node, timeline, lsn)


def only(found: Sequence[Committed]) -> Committed:
    if not found:
        raise KeyVanishedError
    return found[0]


def to_replay(row: TupleRow, fingerprint: bytes) -> Committed:
    """The stored answer. Raises KeyReusedError if it was given to another request."""
    stored_fingerprint, status, headers, body, *where = row
    if bytes(stored_fingerprint) != fingerprint:
        raise KeyReusedError
    return Committed(Answer(status, bytes(body), headers), to_provenance(where), replayed=True)

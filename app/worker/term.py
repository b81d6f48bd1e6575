"""A term of office: who was elected begins one, and everything the worker writes holds it."""

from __future__ import annotations

from dataclasses import dataclass

from app.access.policy import Role
from app.access.principal import Principal, access_of
from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode

PRINCIPAL = "worker"
ACCESS = access_of(Principal(PRINCIPAL, frozenset({Role.SYSTEM})))
_BEGIN = "SELECT crm.begin_term(%(holder)s)"


@dataclass(frozen=True, slots=True)
class Term:
    """Under `epoch` every transaction of the holder is checked; a later epoch ends it."""

    epoch: int
    deadline_seconds: float

    def command(self, job: str) -> Command:
        """What a job's writes are done under. Without a key: the job itself is harmless to repeat."""
        return Command(
            f"crm {job}"[:63], PRINCIPAL, None, b"", self.deadline_seconds, epoch=self.epoch, audited=False
        )


async def begin(database: Database, holder: str, deadline_seconds: float) -> Term:
    """Ends the term before, after its transactions under way. Raises ProblemError."""
    epochs: list[int] = []

    async def work(unit: WriteUnit) -> Answer:
        epochs.extend(await unit.all(_BEGIN, {"holder": holder}, lambda row: int(row[0])))
        return Answer(200, encode(epochs))

    command = Command("crm worker term", PRINCIPAL, None, b"", deadline_seconds)
    await database.write(command, work)
    return Term(epochs[-1], deadline_seconds)

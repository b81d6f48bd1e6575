"""Receiving a bulk load, and telling how far it is."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from app.database.answer import Answer, Command
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.errors import FieldError, Problem, ProblemError, invalid
from app.http import BASE
from app.identity import new_id
from app.imports import repository
from app.imports.blocks import Splitter, lines
from app.imports.rows import HeaderError, read_header
from app.imports.schemas import Format, Job, Rejections

PATH = f"{BASE}/imports"
_NOTHING = Answer(204, b"")


@dataclass(slots=True)
class Receiver:
    """Stores a stream block by block.

    Sent again under the same key it skips what is there, which it knows by hashes, and goes on behind it: so
    a client that lost its connection, or met a failover, simply repeats the whole request.
    """

    database: Database
    command: Command  # its key names the job; each block is a unit of work of its own
    key: str
    format: Format

    async def receive(self, stream: AsyncIterator[bytes]) -> UUID:
        """The job's id when the stream has ended. Raises ProblemError."""
        job = await self._job()
        found = await self.database.read(repository.HASHES, {"id": job}, self._freshness)
        blocks = _Blocks(self, job, list(found.rows))
        splitter = Splitter()
        async for data in stream:
            for content in splitter.feed(data):
                await blocks.add(content)
        for content in splitter.end():
            await blocks.add(content)
        await self._end(job, blocks.number)
        return job

    @property
    def _freshness(self) -> Freshness:
        return Freshness(self.command.trace)

    async def _job(self) -> UUID:
        async def work(unit: WriteUnit) -> Answer:
            await repository.create(unit, new_id(), self.command.principal, self.key, self.format)
            return _NOTHING

        await self.database.write(self.command, work)
        by_key = {"principal": self.command.principal, "key": self.key}
        found = await self.database.read(repository.BY_KEY, by_key, self._freshness)
        if found.first is None or found.first[1] is not self.format:
            raise _other_content()
        return found.first[0]

    async def _end(self, job: UUID, blocks: int) -> None:
        async def work(unit: WriteUnit) -> Answer:
            await repository.end(unit, job, blocks)
            return _NOTHING

        await self.database.write(self.command, work)


@dataclass(slots=True)
class _Blocks:
    """Where a stream is in its job."""

    receiver: Receiver
    job: UUID
    hashes: list[bytes]  # of the blocks received earlier
    number: int = field(default=0)

    async def add(self, content: bytes) -> None:
        sha256 = hashlib.sha256(content).digest()
        if self.number < len(self.hashes):
            if self.hashes[self.number] != sha256:
                raise _other_content()
        else:
            await self._store(content, sha256)
        self.number += 1

    async def _store(self, content: bytes, sha256: bytes) -> None:
        number = self.number
        header = _header(content) if self.receiver.format is Format.CSV and number == 0 else None
        row_count = len(lines(content)) - (header is not None)

        async def work(unit: WriteUnit) -> Answer:
            taken = await repository.add_block(
                unit,
                self.job,
                number=number,
                content=content,
                sha256=sha256,
                row_count=row_count,
                header=header,
            )
            if not taken:
                detail = "another request with this key is sending, or the stream had ended here; repeat"
                raise ProblemError(Problem.KEY_IN_PROGRESS, detail)
            return _NOTHING

        await self.receiver.database.write(self.receiver.command, work)


def _header(block: bytes) -> str:
    """The first line of a CSV. Raises ProblemError if its columns are not ours."""
    first = next(iter(lines(block)), b"")
    try:
        read_header(first)
    except HeaderError as error:
        raise invalid([FieldError("/header", "header", str(error))]) from error
    return first.decode()


def _other_content() -> ProblemError:
    return ProblemError(Problem.KEY_REUSED, "the key belongs to a bulk load of other content; use a new key")


async def get(database: Database, id_: UUID, freshness: Freshness) -> tuple[Job, Found[Job]]:
    found = await database.read(repository.BY_ID, {"id": id_}, freshness)
    return found.one("bulk load"), found


async def rejections(
    database: Database, id_: UUID, freshness: Freshness, *, above: int, limit: int
) -> Rejections:
    """Refused rows in the order of the file, after row number `above`."""
    found = await database.read(
        repository.REJECTIONS, {"id": id_, "above": above, "rows": limit + 1}, freshness
    )
    items = found.rows[:limit]
    more = len(found.rows) > limit
    following = f"{PATH}/{id_}/rejections?limit={limit}&after={items[-1].row}" if more else None
    return Rejections(items, following)

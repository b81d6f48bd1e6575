"""What crosses the border between the services and the commit discipline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client will get, stored with the work so that it can be given again to the byte.

    `subjects` go into the audit log, beside what the address and `Location` name: `customers/0198…`. Where
    nothing was done or shown, as by an empty page, it is not `audited`.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    subjects: Sequence[str] = ()
    audited: bool = True


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a write was committed. `lsn` lies within its transaction, before the commit record.

    `remote_copy`: whether another site has it; None where nobody looks.
    """

    node: str
    timeline: int
    lsn: str
    remote_copy: bool | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """An acknowledged command."""

    answer: Answer
    provenance: Provenance
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """Who wants something done, under which key, within how many seconds. Without a key it is not stored.

    `epoch` is the worker's term of office: the transaction fails (CR003) once another term has begun.
    `operation` (method and path, else the trace) and `client` are for the audit log. Only what the estate
    does on its own, a step of a worker say, is not `audited`.
    """

    trace: str
    principal: str
    key: str | None
    fingerprint: bytes
    deadline_seconds: float
    epoch: int | None = None
    operation: str = ""
    client: str | None = None
    audited: bool = True

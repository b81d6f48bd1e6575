"""The verdict of a drill: its figures, what passed, and why not.

The fields of `Verdict` are the keys of `verdict.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Rpo:
    """Writes by fate. `unknown` ended without an answer and prove nothing either way.

    `lost`, `duplicated` and `phantom` are None when nothing was compared: no primary could be read. They
    count each transaction of a batch, which is one write.
    """

    acknowledged: int
    lost: int | None
    duplicated: int | None
    phantom: int | None
    unknown: int


@dataclass(frozen=True, slots=True)
class Requests:
    """HTTP requests of the load, reads and writes.

    `total` and `failed` count attempts (failed: without success, before any retry); `operations` and
    `gave_up` count what the users wanted done (gave up: never succeeded within the retry budget);
    `refused` are definite refusals (4xx).
    """

    total: int
    failed: int
    gave_up: int
    operations: int
    refused: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """Operations that succeeded, in each second of the window. None when the window is missing."""

    before_rps: float | None
    during_rps: float | None
    after_rps: float | None


@dataclass(frozen=True, slots=True)
class CardTransactions:
    """Those that were acknowledged, each of a batch counted; `throughput` is of them, not of operations."""

    acknowledged: int
    throughput: Throughput


@dataclass(frozen=True, slots=True)
class Events:
    """What the CRM's event feed told the follower, by cursor, before, through and after the fault.

    `told` counts events, `writes` the acknowledged writes that they told of (each transaction of a batch).
    Found wrong: `missing` writes, `disordered` entities, `retold` positions, events or writes told again as
    others, `cursors` that broke, `phantom` writes (None when no primary could be read). Delays are seconds
    from a write's acknowledgement until the follower had its event: the median, the longest of writes from
    before the fault, and the longest of all.
    """

    told: int
    writes: int
    missing: int
    disordered: int
    retold: int
    cursors: int
    phantom: int | None
    delay_median_s: float | None
    delay_max_before_s: float | None
    delay_max_s: float | None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What signed webhooks delivered to the receiver, which now and then fails on purpose.

    `delivered` counts events, `writes` the acknowledged writes that they tell of; `attempts` every arrival,
    `put_off` those that were refused or cut off on purpose, `repeated` those of events taken before. Found
    wrong: `missing` writes, `disordered` entities, `changed` events or writes, `forged` deliveries, `phantom`
    events or writes (None when no primary could be read). Delays as in `Events`, until an event was taken.
    """

    delivered: int
    writes: int
    attempts: int
    put_off: int
    repeated: int
    missing: int
    disordered: int
    changed: int
    forged: int
    phantom: int | None
    delay_median_s: float | None
    delay_max_before_s: float | None
    delay_max_s: float | None


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the time between the fault and the first write went, in seconds; None when not seen.

    Each is the duration of its phase; together they make up `rto_s`. detect: until the system noticed;
    release: until the leader key was free; promote: until another node accepted a write; route: until
    a site's entry led there; first_write: until a client's write was acknowledged.
    """

    detect: float | None = None
    release: float | None = None
    promote: float | None = None
    route: float | None = None
    first_write: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the verdict and what was found.

    `timed`: it holds a figure against a limit that a machine which stalls may miss once; others are promises.
    """

    name: str
    passed: bool
    detail: str
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the drill ran: figures mean nothing without it.

    `disks`: where a lab's hosts keep theirs, `memory` or `disk`; empty on real servers and in older verdicts.
    """

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    system: str
    disks: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verdict.json` holds. Durations are seconds; `started_at` is ISO 8601 in UTC.

    `orchestrator`: active, observe-only or stopped (plain Patroni) during the drill. `aims`: what it is
    measured by when it acts; they do not decide whether the drill has passed.
    """

    scenario: str
    passed: bool
    reasons: tuple[str, ...]
    rto_s: float | None
    write_stall_max_s: float | None
    rpo: Rpo
    requests: Requests
    throughput: Throughput
    card_transactions: CardTransactions
    events: Events
    webhooks: Webhooks
    writers_max: int
    phases: Phases
    machine: Machine
    versions: Mapping[str, str]
    started_at: str
    duration_s: float
    healing_s: float | None
    parity_s: float | None
    profile: str
    seed: int
    run_id: str
    orchestrator: str
    must_fail: bool = False
    checks: tuple[Check, ...] = field(default=())
    aims: tuple[Check, ...] = field(default=())

    def to_json(self) -> str:
        """Return the text of `verdict.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

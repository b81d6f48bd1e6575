"""A standby that waits for WAL which its primary has removed: it waits for ever. Pure.

Both servers say so themselves. The standby's startup process has come to the end of what it was ever sent
and waits for more; no file of the primary holds the place at which it stands. What was removed does not come
back. Nothing is concluded from anybody's silence, so one asker suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from failover.model import TimelineSwitch


@dataclass(frozen=True)
class Waiting:
    """What a standby says that waits for WAL: `lsn` is where it stands. It has no archive to turn to.

    `timeline`: of its minimum recovery ending point (pg_control_recovery()), so at most behind the one that
    it replays; None: unknown.
    """

    lsn: int
    timeline: int | None


@dataclass(frozen=True)
class Kept:
    """What the primary says: up to where it has flushed, and which of its WAL files is the oldest.

    `oldest_file`: its name without the timeline, two numbers of eight hexadecimal digits.
    """

    timeline: int
    lsn: int
    oldest_file: str
    segment_bytes: int

    @property
    def begins(self) -> int:
        """The LSN at which the oldest file begins."""
        return (int(self.oldest_file[:8], 16) << 32) + int(self.oldest_file[8:], 16) * self.segment_bytes


@dataclass(frozen=True)
class Stranded:
    """A standby that nothing but a rebuild brings back. LSNs are bytes from 0/0.

    `own`: why it cannot be excluded that it holds transactions which its primary has not; empty: it can.
    """

    primary: str
    needs: int
    oldest: int
    own: str = ""

    def says(self) -> str:
        missing = (self.oldest - self.needs) / 1e6
        return (
            f"waits for WAL from {lsn_text(self.needs)} on; {self.primary} has none before"
            f" {lsn_text(self.oldest)} any more, {missing:,.0f} MB later"
        )


def judge(
    primary: str, waiting: Waiting, kept: Kept, history: Sequence[TimelineSwitch] = ()
) -> Stranded | None:
    """None: the primary may still have what the standby waits for. `history`: Patroni's, oldest first.

    A standby asks for the segment in which the next record begins. Segments of older timelines bear the same
    numbers, and removal goes by number alone (PostgreSQL, RemoveOldXlogFiles).
    """
    if waiting.lsn >= kept.begins:
        return None
    return Stranded(primary, waiting.lsn, kept.begins, own=_own(primary, waiting, kept, history))


def _own(primary: str, waiting: Waiting, kept: Kept, history: Sequence[TimelineSwitch]) -> str:
    """A standby whose WAL ends before the primary's history leaves its timeline holds nothing of its own.

    Patroni's history is believed only if it tells how this primary came to its timeline: after a promotion by
    force two hosts may have opened the same one, and the key would still tell of the first.
    """
    if waiting.timeline is None:
        return "its timeline is unknown"
    opened = history[-1] if history else None
    known = opened is not None and (opened.timeline, opened.leader) == (kept.timeline - 1, primary)
    if kept.timeline != 1 and not known:
        return f"Patroni's history does not tell how {primary} came to timeline {kept.timeline}"
    ends = {switch.timeline: switch.lsn for switch in history} | {kept.timeline: kept.lsn}
    end = ends.get(waiting.timeline)
    if end is None:
        return f"its timeline {waiting.timeline} is not in the history of {primary}"
    if waiting.lsn > end:
        left = f"{primary} left timeline {waiting.timeline} at {lsn_text(end)}"
        return f"it went on to {lsn_text(waiting.lsn)}, {left}"
    return ""


def lsn_text(lsn: int) -> str:
    """As PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"

"""What would be lost if a site or the primary were lost now: acknowledged writes, bytes and seconds. Pure.

The primary is sampled while it lives (`Sample`); how far each copy has come is compared with those samples.
Writes are counted by transaction ids given out, so a figure is an upper bound: an aborted one counts too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Samples that are kept; beyond it every second one of the older half goes.
KEPT = 64
SAMPLED_EVERY_S = 1.0


@dataclass(frozen=True)
class Exposure:
    """Acknowledged writes that a host or site lacks. None: it cannot be known, as nobody can be asked."""

    records: int | None
    seconds: float | None
    basis: str
    size_bytes: int | None = None

    @property
    def known(self) -> bool:
        return self.records is not None and self.seconds is not None

    def says(self) -> str:
        if not self.known:
            return f"what would be lost is unknown ({self.basis})"
        size = f" ({self.size_bytes:,} bytes)" if self.size_bytes is not None else ""
        return (
            f"{self.records} acknowledged writes{size} over {self.seconds:.1f} s would be lost ({self.basis})"
        )


NONE = Exposure(0, 0.0, "the host is synchronous", 0)


@dataclass(frozen=True)
class Budget:
    """The loss that an estate's owner accepts in advance."""

    records: int = 0
    seconds: float = 0.0


def refusal(exposure: Exposure, budget: Budget, accepted_by: str | None) -> str | None:
    """Why a failover at this loss is refused, or None. `accepted_by`: who accepted it for this one order."""
    if accepted_by:
        return None
    if exposure.records is None or exposure.seconds is None:
        return f"{exposure.says()}; order it with --accept-loss if it must be"
    if exposure.records > budget.records or exposure.seconds > budget.seconds:
        return f"{exposure.says()}, more than the budget of {budget.records} writes and {budget.seconds:g} s"
    return None


@dataclass(frozen=True)
class Sample:
    """The primary at one moment: `at` seconds since 1970, `lsn` flushed (bytes), `writes` ids given out."""

    at: float
    timeline: int
    lsn: int
    writes: int


@dataclass(frozen=True)
class Track:
    """The primary's samples, oldest first, and how far each other host's copy is known to have come.

    `exposed_from`: the sample at which the last remote copy went away; None while one is guaranteed.
    """

    primary: str = ""
    samples: tuple[Sample, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    exposed_from: Sample | None = None

    @property
    def last(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    def after(self, primary: str, sample: Sample, copies: Mapping[str, int], *, guaranteed: bool) -> Track:
        """The track one sample later. Another primary or timeline begins a new one."""
        same = self.last is not None and (self.primary, self.last.timeline) == (primary, sample.timeline)
        before = self if same else Track(primary)
        known = {**before.copies, **copies}
        samples = _thinned(_still_needed((*before.samples, sample), known))
        begun = before.exposed_from or sample
        return replace(before, samples=samples, copies=known, exposed_from=None if guaranteed else begun)

    def lost_at(self, lsn: int | None, basis: str) -> Exposure:
        """What a copy that ends at this LSN lacks of what the primary had at its last sample."""
        last = self.last
        if last is None or lsn is None:
            return Exposure(None, None, basis)
        size = max(0, last.lsn - lsn)
        base = next((sample for sample in reversed(self.samples) if sample.lsn <= lsn), None)
        if base is None:
            return Exposure(None, None, f"{basis}; it ends before the first sample", size)
        records = last.writes - base.writes if size else 0
        return Exposure(records, last.at - base.at if records else 0.0, basis, size)


def _still_needed(samples: tuple[Sample, ...], copies: Mapping[str, int]) -> tuple[Sample, ...]:
    """Without what lies before the newest sample that every known copy has."""
    everywhere = min(copies.values(), default=0)
    reached = [place for place, sample in enumerate(samples) if sample.lsn <= everywhere]
    return samples[reached[-1] :] if reached else samples


def _thinned(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    if len(samples) <= KEPT:
        return samples
    half = len(samples) // 2
    return (*samples[:half:2], *samples[half:])


def of_site(track: Track, site: str, site_of: Mapping[str, str]) -> Exposure:
    """What would be lost with all hosts of `site`. A site without the primary takes nothing along."""
    if site_of.get(track.primary) != site:
        return Exposure(0, 0.0, f"the primary is not in {site}", 0)
    if track.exposed_from is None and track.last is not None:
        return Exposure(0, 0.0, "a synchronous standby stands in another site", 0)
    return track.lost_at(_best(track, site, site_of), f"copies outside {site} as last seen")


def _best(track: Track, site: str, site_of: Mapping[str, str]) -> int | None:
    elsewhere = [lsn for host, lsn in track.copies.items() if site_of.get(host) != site]
    return max(elsewhere, default=None)


def of_candidate(track: Track, host: str, received: int | None, *, synchronous: bool) -> Exposure:
    """What would be lost by promoting `host`, which has `received` (LSN) and may be the last to say so.

    What the primary acknowledged after its last sample was seen by nobody: a sampling interval at the last
    known rate is added, unless the host is synchronous and lacks nothing.
    """
    if synchronous:
        return NONE
    known = max((lsn for lsn in (received, track.copies.get(host)) if lsn is not None), default=None)
    lost = track.lost_at(known, f"{host} against the primary's last sample")
    if lost.records is None or lost.seconds is None:
        return lost
    unseen = _rate(track) * SAMPLED_EVERY_S
    return replace(lost, records=lost.records + round(unseen + 0.5), seconds=lost.seconds + SAMPLED_EVERY_S)


def _rate(track: Track) -> float:
    """Writes a second, over the last samples."""
    if len(track.samples) < 2:  # noqa: PLR2004  # a rate needs two
        return 0.0
    first, last = track.samples[-2:]
    return max(0, last.writes - first.writes) / max(last.at - first.at, 0.001)

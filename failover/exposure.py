"""What would be lost if a given host took over now: acknowledged writes and seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exposure:
    """Acknowledged writes that a host lacks. None: it cannot be known, because nobody can be asked."""

    records: int | None
    seconds: float | None
    basis: str

    @property
    def known(self) -> bool:
        return self.records is not None and self.seconds is not None

    def says(self) -> str:
        if not self.known:
            return f"what would be lost is unknown ({self.basis})"
        return f"{self.records} acknowledged writes over {self.seconds:.1f} s would be lost ({self.basis})"


NONE = Exposure(0, 0.0, "the host is synchronous")


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

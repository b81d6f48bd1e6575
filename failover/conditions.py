"""The conditions an estate can be in, by name, gravest first. Diagnosis finds one; the table answers it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Condition(StrEnum):
    """One name for what is wrong, in the order of gravity: the first that holds is the diagnosis."""

    ZOOKEEPER_WITHOUT_QUORUM = "zookeeper-without-quorum"
    SEVERAL_PRIMARIES = "several-primaries"
    SITE_LOST = "site-lost"
    SITE_ISOLATED = "site-isolated"
    PRIMARY_HOST_LOST = "primary-host-lost"
    PRIMARY_FROZEN = "primary-frozen"
    PRIMARY_PROCESS_DOWN = "primary-process-down"
    PRIMARY_UNMANAGED = "primary-unmanaged"
    NO_PRIMARY = "no-primary"
    VIEWS_DISAGREE = "views-disagree"
    FLAPPING = "flapping"
    PATRONI_PAUSED = "patroni-paused"
    POOL_PAUSED = "pool-paused"
    CROSS_SITE_DURABILITY_LOST = "cross-site-durability-lost"
    LINK_CUT = "link-cut"
    LINK_CUT_ONE_WAY = "link-cut-one-way"
    STANDBY_SITE_LOST = "standby-site-lost"
    WITNESS_LOST = "witness-lost"
    WITNESS_LINK_CUT = "witness-link-cut"
    SYNC_DEGRADED = "sync-degraded"
    ZOOKEEPER_DIVERGED = "zookeeper-diverged"
    STANDBY_STRANDED = "standby-stranded"
    STANDBY_DIVERGED = "standby-diverged"
    STANDBY_MISSING = "standby-missing"
    HEALTHY = "healthy"

    @property
    def gravity(self) -> int:
        """0 is the gravest."""
        return _ORDER[self]


_ORDER = {condition: place for place, condition in enumerate(Condition)}

PRIMARY_LOSSES = frozenset(
    {
        Condition.SITE_LOST,
        Condition.SITE_ISOLATED,
        Condition.PRIMARY_HOST_LOST,
        Condition.PRIMARY_FROZEN,
        Condition.PRIMARY_PROCESS_DOWN,
        Condition.PRIMARY_UNMANAGED,
    }
)


class Certainty(Enum):
    """Whether enough observers said it often enough."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Finding:
    """One condition, whom it concerns (host, site, or two sites as "dc1-dc2"), and who says so.

    `evidence` are sentences for the operator. `missing` says what a suspected finding still needs.
    """

    condition: Condition
    subject: str
    evidence: tuple[str, ...]
    certainty: Certainty = Certainty.CONFIRMED
    missing: str = ""

    @property
    def confirmed(self) -> bool:
        return self.certainty is Certainty.CONFIRMED

    @property
    def rank(self) -> tuple[int, int]:
        """Orders findings: a confirmed loss before a suspected one, and both before all that can wait."""
        urgent = self.condition.gravity < Condition.VIEWS_DISAGREE.gravity
        if not urgent:
            return 2, self.condition.gravity
        return (0 if self.confirmed else 1), self.condition.gravity


@dataclass(frozen=True)
class Diagnosis:
    """The gravest finding, and the others that hold beside it."""

    main: Finding
    also: tuple[Finding, ...] = ()

    @property
    def condition(self) -> Condition:
        return self.main.condition

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (self.main, *self.also)

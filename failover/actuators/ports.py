"""The ports: what each actuator promises. Every effect is idempotent and carries or checks the epoch.

A method returns evidence, one line for the journal. It raises EffectRefusedError if the thing certainly was
not done and will not be by asking again. Any other outcome is unknown, and the step's check decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from failover.verbs import Expectation


class EffectRefusedError(RuntimeError):
    """Certainly not done; the message says why, for the operator."""


class EffectUnknownError(RuntimeError):
    """It may have been done or not: a timeout or a lost connection. The check decides."""


class Guarantee(StrEnum):
    """What a fencing driver's success means."""

    CERTAIN = "certain"  # power is off: no process of the host runs
    REPORTED = "reported"  # an operator's command said so
    NOTHING = "nothing"


@dataclass(frozen=True)
class Observation:
    """Whether an expectation holds now, and what shows it. `hopeless`: nor will it by waiting."""

    holds: bool
    evidence: str
    hopeless: bool = False


class Fencing(Protocol):
    """Keeps a host from running. `guarantee` says what success is worth (docs/orchestrator.md)."""

    guarantee: Guarantee

    def fence(self, host: str) -> str:
        """Within the driver's budget."""

    def confirm(self, host: str) -> str:
        """Waits for a fence that was still under way; tries again if it failed."""

    def fenced(self, host: str) -> bool:
        """The last attempt on this host ended well."""

    def unfence(self, host: str) -> str: ...


class LeaderKeyPort(Protocol):
    """Patroni's leader znode, and the order beside it."""

    def announce(self, *, leader: str, candidate: str, operation: str) -> str:
        """Has the leader look and prepare for an order that may follow, or refuses. It stops nothing."""

    def hand_over(self, *, leader: str, candidate: str) -> str:
        """Orders the leader to stop for a synchronous candidate, in one transaction, or refuses."""

    def clear_order(self) -> str:
        """Takes an order back that is not followed yet."""

    def release(self, *, leader: str, session: int, candidate: str, sync_version: int | None) -> str:
        """Deletes the key and names the candidate, in one transaction, or refuses.

        `sync_version`: of /sync as diagnosed; None: any in which the candidate is a member.
        """


class PatroniPort(Protocol):
    """Patroni's REST."""

    def force_failover(self, *, candidate: str) -> str:
        """Promotes a host that may lack acknowledged writes. Ordered by people only."""

    def reinitialize(self, *, host: str) -> str: ...


class DatabasesPort(Protocol):
    """PostgreSQL itself."""

    def checkpoint(self, *, host: str) -> str: ...


class SynchronousPort(Protocol):
    """Which standbys Patroni makes synchronous."""

    def prefer(self, *, host: str) -> str: ...

    def restore(self, *, count: int) -> str:
        """Back to `count` synchronous standbys."""


class PoolsPort(Protocol):
    """PgBouncer on all application hosts, through their agents."""

    def pause(self, *, operation: str, hold_s: float, candidate: str = "") -> str:
        """Each host resumes by itself after `hold_s`, whatever happens to us. Reads leave the candidate."""

    def resume(self, *, primary: str = "") -> str:
        """`primary`: who is expected to be; HAProxy leads to who is. Empty: to whom its checks say."""

    def route(self, *, primary: str) -> str:
        """Every HAProxy is told who is primary, ahead of its checks; `primary`: who is expected to be."""


class WriteGatePort(Protocol):
    """Whether the API takes writes."""

    def close(self) -> str: ...

    def open(self) -> str: ...


class HostsPort(Protocol):
    """Hosts in and out of service, and which site is preferred."""

    def hold(self, *, host: str) -> str: ...

    def give_back(self, *, host: str) -> str: ...

    def prefer_site(self, *, site: str) -> str: ...


class EnsemblePort(Protocol):
    """ZooKeeper's membership, changed by hand when its majority is lost."""

    def assert_others_off(self, *, survivor: str) -> str: ...

    def rewrite(self, *, survivor: str) -> str: ...

    def restore(self) -> str: ...


class SensorsPort(Protocol):
    """Answers checks about the estate as it is now."""

    def observe(self, expectation: Expectation) -> Observation: ...


class EpochGuard(Protocol):
    """Whether we are still the orchestrator."""

    @property
    def epoch(self) -> int: ...

    def check(self) -> None:
        """Raises DeposedError if a higher epoch exists or the session is not certain."""


@dataclass(frozen=True)
class Actuators:
    """All ports of an estate."""

    fencing: Fencing
    leader_key: LeaderKeyPort
    patroni: PatroniPort
    databases: DatabasesPort
    synchronous: SynchronousPort
    pools: PoolsPort
    write_gate: WriteGatePort
    hosts: HostsPort
    ensemble: EnsemblePort

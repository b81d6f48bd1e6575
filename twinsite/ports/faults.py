"""Faults on the lab."""

from __future__ import annotations

from dataclasses import dataclass, field

from failover.drills.model import Direction
from infra import faults
from infra.lab import Lab
from twinsite.ports.errors import as_port_errors

_DIRECTIONS = {
    Direction.BOTH: faults.Direction.BOTH,
    Direction.OUTBOUND: faults.Direction.FORWARD,
    Direction.INBOUND: faults.Direction.BACKWARD,
}


@dataclass
class LabFaults:
    """Every call goes through the lab's list of faults, so that `twinsite lab heal` knows of them too."""

    lab: Lab
    _began_ns: int | None = field(default=None, init=False)

    def began_ns(self) -> int | None:
        return self._began_ns

    def power_cut(self, target: str) -> None:
        self._inject(faults.PowerCut(self._hosts(target)))

    def boot(self, target: str) -> None:
        self._heal(faults.PowerCut(self._hosts(target)))

    def freeze(self, target: str) -> None:
        self._inject(faults.Freeze(self._hosts(target)))

    def thaw(self, target: str) -> None:
        self._heal(faults.Freeze(self._hosts(target)))

    def kill_postgres(self, host: str) -> None:
        """Kill the postmaster, the oldest process of that name; Patroni, in the same unit, stays."""
        self._inject(faults.ProcessKill(host, "patroni", program="postgres"))

    def stop_unit(self, host: str, unit: str) -> None:
        self._inject(faults.UnitStop(host, unit))

    def start_unit(self, host: str, unit: str) -> None:
        self._heal(faults.UnitStop(host, unit), faults.ProcessKill(host, unit))

    def kill_unit(self, host: str, unit: str) -> None:
        self._inject(faults.ProcessKill(host, unit))

    def cut_link(self, a: str, b: str, direction: Direction) -> None:
        self._inject(faults.LinkCut((a, b), _DIRECTIONS[direction]))

    def restore_link(self, a: str, b: str) -> None:
        with as_port_errors():
            listed = self.lab.book.read()
            ends = {a, b}
            self.lab.heal([f for f in listed if isinstance(f, faults.LinkCut) and set(f.ends) == ends])

    def isolate(self, target: str) -> None:
        self._inject(*faults.isolation_of(self.lab.estate, target))

    def rejoin(self, target: str) -> None:
        self._heal(*faults.isolation_of(self.lab.estate, target))

    def heal_all(self) -> None:
        with as_port_errors():
            self.lab.heal()

    def _hosts(self, target: str) -> tuple[str, ...]:
        with as_port_errors():
            return tuple(host.name for host in self.lab.estate.select(target) if host.boots)

    def _inject(self, *listed: faults.Fault) -> None:
        with as_port_errors():
            self._began_ns = self.lab.inject(listed)

    def _heal(self, *listed: faults.Fault) -> None:
        with as_port_errors():
            self.lab.heal(listed)

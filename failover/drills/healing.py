"""Undoes what a drill did, in reverse, whatever happened and however often it is asked."""

from __future__ import annotations

from collections.abc import Callable

from failover.drills.model import ReplicationMode
from failover.drills.ports import Clock, Cluster, Ports
from failover.drills.steps import Scene, Step
from failover.drills.waiting import Say

# An undoing that fails is tried again: a host that is just booting may refuse the first call.
TRIES = 3
PAUSE_S = 2.0


class Healer:
    """Remembers every step before it is done, so that also a half-done one is undone."""

    def __init__(self, ports: Ports, scene: Scene, say: Say) -> None:
        self._ports = ports
        self._scene = scene
        self._say = say
        self._steps: list[Step] = []

    def promise(self, step: Step) -> None:
        """Undo this step when healing."""
        self._steps.append(step)

    def heal(self) -> list[str]:
        """Undo all steps, latest first; return what could not be undone, as text.

        Each is undone whatever became of the others. What is left over is given to `heal_all`.
        """
        trouble: list[str] = []
        while self._steps:
            step = self._steps.pop()
            self._say(f"healing: {step.name} {step.target(self._scene)}")
            trouble += insist(
                lambda step=step: step.undo(self._ports, self._scene),  # type: ignore[misc]  # bound now
                f"healing {step.name}",
                self._ports.clock,
            )
        return trouble

    def heal_all(self) -> list[str]:
        """Undo the steps, then every fault that is still there; return what could not be undone."""
        return [*self.heal(), *insist(self._ports.faults.heal_all, "healing all faults", self._ports.clock)]


def insist(action: Callable[[], None], what: str, clock: Clock) -> list[str]:
    """Do it, up to `TRIES` times; return why it failed, or nothing."""
    for remaining in reversed(range(TRIES)):
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the outermost guard of healing: the next must be healed too
            if not remaining:
                return [f"{what}: {error}"]
            clock.sleep(PAUSE_S)
        else:
            break
    return []


def restore_replication(cluster: Cluster) -> bool:
    """Set replication back to synchronous where it is not; return whether it had to be.

    A drill that was killed outright heals nothing, and the mode, unlike faults, outlives every reboot.
    Raises `PortError` when no member of the cluster answers or takes the order.
    """
    if cluster.status().mode is ReplicationMode.SYNCHRONOUS:
        return False
    cluster.set_replication(ReplicationMode.SYNCHRONOUS)
    return True

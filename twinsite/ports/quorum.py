"""A drill's operator at the ensemble: the plans of `twinsite recover-quorum`, with the lab's power switch."""

from __future__ import annotations

import time
from collections.abc import Callable

from failover.drills.ports import PortError
from failover.journal import Outcome
from failover.model import ZooKeeperState
from failover.plan import Plan
from failover.procedures import recover_quorum as procedure
from infra.provisioning import ProvisioningError
from twinsite.context import Context
from twinsite.ports.ensemble import Ensemble, answers
from twinsite.ports.ensemble_operation import carry_out
from twinsite.talk import progress

BOOTS_WITHIN_S = 60.0
# A whole ensemble that just booted serves within this time; what does not was left out of it.
SERVES_WITHIN_S = 20.0
LOOK_EVERY_S = 1.0


class LabQuorum:
    """Proof is the lab's power switch: nobody has to vouch."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ensemble = Ensemble(context, None, progress)

    def recover(self, survivor: str) -> None:
        self._carry_out(procedure.plan(survivor))

    def rejoin(self) -> None:
        hosts = self._context.estate.hosts_with_role("zookeeper")
        self._await(lambda: all(answers(host) for host in hosts), BOOTS_WITHIN_S)
        if self._await(self._whole, SERVES_WITHIN_S):
            return
        self._carry_out(procedure.rejoin())

    def _whole(self) -> bool:
        return all(isinstance(state, ZooKeeperState) for state in self._ensemble.states().values())

    def _carry_out(self, plan: Plan) -> None:
        try:
            entry = carry_out(self._context, self._ensemble, plan, "drill")
        except ProvisioningError as error:
            raise PortError(str(error)) from error
        if entry.outcome is not Outcome.DONE:
            told = "; ".join(record.evidence for record in entry.records if record.evidence)
            raise PortError(f"{plan.title}: {entry.outcome}: {told[-500:]}")

    def _await(self, holds: Callable[[], bool], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

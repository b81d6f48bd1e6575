"""PostgreSQL itself, as far as an agent may touch it."""

from __future__ import annotations

import psycopg

from failover.actuators.absent import Absent
from failover.actuators.ports import EffectUnknownError
from failover.closeup import CloseUp


class Databases(Absent):
    """Checkpoints (role `monitor` is a member of pg_checkpoint). The rest is not an agent's to do."""

    def __init__(self, close_up: CloseUp, why_not: str) -> None:
        super().__init__(why_not)
        self._close_up = close_up

    def checkpoint(self, *, host: str) -> str:
        """A restart point on a standby. Raises EffectUnknownError."""
        try:
            self._close_up.checkpoint(host)
        except psycopg.Error as error:
            raise EffectUnknownError(f"{host}: {str(error).strip()}") from error
        return f"{host}: checkpoint made"

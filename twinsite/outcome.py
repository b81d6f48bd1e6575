"""How every command ends: the exit statuses, and the one place that turns an error into a message."""

from __future__ import annotations

from enum import IntEnum

import typer

from failover.drills.order import DrillError
from failover.drills.ports import PortError
from failover.following import LetGoError, OrderFailedError
from failover.planned import SwitchoverFailedError, SwitchoverRefusedError
from infra.cgroups import FreezeError
from infra.command import CommandError
from infra.faults import FaultError
from infra.hosts import HostError
from infra.image import ImageError
from infra.lab import LabDownError, LabError
from infra.leftovers import LeftoversError
from infra.network import NetworkError
from infra.preflight import TooSmallError
from infra.provisioning import ProvisioningError
from infra.secret_values import SecretsError
from infra.storage import StorageError
from infra.topology import InventoryError
from infra.wan import WanError


class Exit(IntEnum):
    """The exit statuses of every command."""

    OK = 0
    # The command did its work, and the answer is bad: degraded, verdict failed.
    BAD = 1
    # The lab or the whole estate is down, or the command line is wrong (as Click has it).
    DOWN = 2
    # What was asked for could not be done.
    FAILED = 3
    # This user may not: root is needed, or a file is not readable.
    FORBIDDEN = 4


class CannotError(Exception):
    """What was asked for cannot be done; the message says why and what helps."""

    def __init__(self, text: str, status: Exit = Exit.FAILED) -> None:
        super().__init__(text)
        self.status = status


# Everything that may go wrong for a reason outside this program. Whatever is not here is a mistake in it,
# and ends with a traceback.
_STATUS: tuple[tuple[type[Exception], Exit], ...] = (
    (LabDownError, Exit.DOWN),
    (InventoryError, Exit.FAILED),
    (SecretsError, Exit.FAILED),
    (PermissionError, Exit.FORBIDDEN),
    (LabError, Exit.FAILED),
    (LeftoversError, Exit.FAILED),
    (TooSmallError, Exit.FAILED),
    (ImageError, Exit.FAILED),
    (NetworkError, Exit.FAILED),
    (HostError, Exit.FAILED),
    (WanError, Exit.FAILED),
    (StorageError, Exit.FAILED),
    (FreezeError, Exit.FAILED),
    (FaultError, Exit.FAILED),
    (CommandError, Exit.FAILED),
    (ProvisioningError, Exit.FAILED),
    (SwitchoverRefusedError, Exit.FAILED),
    (SwitchoverFailedError, Exit.FAILED),
    (OrderFailedError, Exit.FAILED),
    (LetGoError, Exit.FAILED),
    (DrillError, Exit.FAILED),
    (PortError, Exit.FAILED),
)
EXPECTED: tuple[type[Exception], ...] = (CannotError, *(kind for kind, _ in _STATUS))


def explain(error: Exception) -> tuple[str, Exit]:
    """The message for the user, and the exit status."""
    if isinstance(error, CannotError):
        return str(error), error.status
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return str(error), status
    raise error


def stop(status: Exit) -> typer.Exit:
    """What a command raises to end with a status other than 0."""
    return typer.Exit(int(status))

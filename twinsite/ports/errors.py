"""What the rooms raise, as the drills know it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from failover.drills.ports import PortError
from failover.following import OrderFailedError
from failover.planned import SwitchoverFailedError, SwitchoverRefusedError
from infra.cgroups import FreezeError
from infra.command import CommandError
from infra.faults import FaultError
from infra.hosts import HostError
from infra.lab import LabError
from infra.topology import InventoryError
from infra.wan import WanError
from twinsite.outcome import CannotError

_EXPECTED = (
    CommandError,
    FaultError,
    FreezeError,
    HostError,
    InventoryError,
    CannotError,
    LabError,
    OSError,
    OrderFailedError,
    SwitchoverFailedError,
    SwitchoverRefusedError,
    WanError,
    httpx.HTTPError,
)


@contextmanager
def as_port_errors() -> Iterator[None]:
    """Let a drill see every expected failure as its own `PortError`."""
    try:
        yield
    except _EXPECTED as error:
        raise PortError(str(error)) from error

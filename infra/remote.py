"""Programs on the hosts of an estate, over SSH as the operator: the lab's way in, or the operator's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.command import Completed, run
from infra.topology import Host

_CONNECT_S = 10
USER = "root"


@dataclass(frozen=True)
class Remote:
    """`ssh_config` is the lab's; None leaves everything to the operator's own configuration of ssh."""

    ssh_config: Path | None

    def script(self, host: Host, text: str, *, timeout: float, check: bool = True) -> Completed:
        """Runs a shell script. It travels on standard input, so that no secret stands in a command line.

        Raises:
            CommandError: no connection, past the deadline, or (with `check`) a non-zero exit status.
        """
        argv = ["ssh", *self._options(), self._name(host), "bash", "-s"]
        return run(argv, stdin=text, timeout=timeout, check=check)

    def fetch(self, host: Host, path: str, to: Path, *, timeout: float = 300.0) -> None:
        """Copies a file or directory from a host. Raises CommandError."""
        to.parent.mkdir(parents=True, exist_ok=True)
        run(["scp", "-q", "-r", *self._options(), f"{self._name(host)}:{path}", str(to)], timeout=timeout)

    def _options(self) -> list[str]:
        own = ["-F", str(self.ssh_config)] if self.ssh_config else []
        return [*own, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}"]

    def _name(self, host: Host) -> str:
        return host.name if self.ssh_config else f"{USER}@{host.address}"

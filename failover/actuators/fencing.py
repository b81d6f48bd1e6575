"""Fencing drivers. What each guarantees stands in its class and in docs/orchestrator.md.

`fence` gets a short budget and never holds up a failover, which is safe without it; the work goes on in the
background, and `confirm` settles it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from failover.actuators.ports import EffectRefusedError, EffectUnknownError, Guarantee
from failover.command import CommandFailedError, Ended, Run


class NoFencing:
    """Guarantees nothing. No acknowledged write is lost all the same but for the hole in decision 0401."""

    guarantee = Guarantee.NOTHING

    def fence(self, host: str) -> str:
        return f"no fencing driver: {host} may still run"

    def confirm(self, host: str) -> str:
        raise EffectRefusedError(f"no fencing driver: whether {host} still runs is unknown")

    def fenced(self, host: str) -> bool:  # noqa: ARG002  # the port's signature
        """Never known."""
        return False

    def unfence(self, host: str) -> str:
        return f"no fencing driver: {host} was not fenced"


class CommandFencing:
    """Runs a command for each host: IPMI, Redfish, a hypervisor, or the lab's power switch.

    `guarantee`: CERTAIN if exit status 0 means that the power is off (the command itself must verify),
    REPORTED if it only means that somebody was told. `{host}` in an argument becomes the host's name,
    `{site}` its site's (`sites`: by host).
    """

    def __init__(
        self,
        *,
        off: Sequence[str],
        on: Sequence[str],
        guarantee: Guarantee,
        run: Run,
        sites: Mapping[str, str] | None = None,
        budget_s: float = 0.5,
        timeout_s: float = 15.0,
    ) -> None:
        self.guarantee = guarantee
        self._commands: Mapping[str, Sequence[str]] = {"off": off, "on": on}
        self._run = run
        self._sites = sites or {}
        self._budget_s = budget_s
        self._timeout_s = timeout_s
        self._under_way: dict[str, _Attempt] = {}
        self._off: set[str] = set()

    def fence(self, host: str) -> str:
        """Raises EffectUnknownError if it is still under way after the budget, or failed."""
        return self._settle(host, self._under_way.get(host) or self._attempt(host), self._budget_s)

    def confirm(self, host: str) -> str:
        """Ends the attempt that `fence` began, or makes one. Raises EffectUnknownError if it failed."""
        attempt = self._under_way.pop(host, None)
        if attempt is None or attempt.failed:
            attempt = self._attempt(host)
        try:
            return self._settle(host, attempt, self._timeout_s)
        finally:
            self._under_way.pop(host, None)

    def _settle(self, host: str, attempt: _Attempt, within_s: float) -> str:
        evidence = attempt.result(within_s)
        self._off.add(host)
        return evidence

    def fenced(self, host: str) -> bool:
        """The last attempt on this host ended well, and nobody has unfenced it through this driver."""
        return host in self._off

    def unfence(self, host: str) -> str:
        """Raises EffectUnknownError if it failed, or did not end in time: then it counts as off still."""
        self._under_way.pop(host, None)
        attempt = _Attempt(self._run, self._command("on", host), self._timeout_s)
        evidence = attempt.result(self._timeout_s)
        self._off.discard(host)
        return evidence

    def _command(self, which: str, host: str) -> tuple[str, ...]:
        site = self._sites.get(host, "")
        command = self._commands[which]
        return tuple(word.replace("{host}", host).replace("{site}", site) for word in command)

    def _attempt(self, host: str) -> _Attempt:
        attempt = _Attempt(self._run, self._command("off", host), self._timeout_s)
        self._under_way[host] = attempt
        self._off.discard(host)
        return attempt


class _Attempt:
    """A command running in a thread of its own, so that a slow power switch delays nobody."""

    def __init__(self, run: Run, argv: Sequence[str], timeout_s: float) -> None:
        self._ended: Ended | CommandFailedError | None = None
        self._argv = argv
        self._thread = threading.Thread(target=self._work, args=(run, timeout_s), daemon=True)
        self._thread.start()

    def _work(self, run: Run, timeout_s: float) -> None:
        try:
            self._ended = run(self._argv, timeout_s)
        except CommandFailedError as error:
            self._ended = error

    @property
    def succeeded(self) -> bool:
        return isinstance(self._ended, Ended) and self._ended.code == 0

    @property
    def failed(self) -> bool:
        return self._ended is not None and not self.succeeded

    def result(self, within_s: float) -> str:
        self._thread.join(within_s)
        name = " ".join(self._argv)
        if self._ended is None:
            raise EffectUnknownError(f"{name}: still under way after {within_s:g} s")
        if isinstance(self._ended, CommandFailedError):
            raise EffectUnknownError(str(self._ended))
        if self._ended.code != 0:
            raise EffectUnknownError(f"{name}: exit status {self._ended.code}: {self._ended.output}")
        return f"{name}: {self._ended.output or 'done'}"

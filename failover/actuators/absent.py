"""Ports that a program does not have: an agent orders no rebuilds. A plan that needs one stops."""

from __future__ import annotations

from failover.actuators.ports import EffectRefusedError


class Absent:
    """Stands for DatabasesPort, SynchronousPort, HostsPort and EnsemblePort where they cannot be had."""

    def __init__(self, why: str) -> None:
        self._why = why

    def _refuse(self) -> str:
        raise EffectRefusedError(self._why)

    def checkpoint(self, *, host: str) -> str:  # noqa: ARG002
        return self._refuse()

    def prefer(self, *, host: str) -> str:  # noqa: ARG002
        return self._refuse()

    def hold(self, *, host: str) -> str:  # noqa: ARG002
        return self._refuse()

    def give_back(self, *, host: str) -> str:  # noqa: ARG002
        return self._refuse()

    def prefer_site(self, *, site: str) -> str:  # noqa: ARG002
        return self._refuse()

    def assert_others_off(self, *, survivor: str) -> str:  # noqa: ARG002
        return self._refuse()

    def rewrite(self, *, survivor: str) -> str:  # noqa: ARG002
        return self._refuse()

    def restore(self, *, count: int = 0) -> str:  # noqa: ARG002
        return self._refuse()

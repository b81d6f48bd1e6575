"""ZooKeeper's membership by hand: proof that the others are off, Ansible for the rest, journalled on disk."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from failover.actuators.absent import Absent
from failover.actuators.fencing import NoFencing
from failover.actuators.ports import Actuators, EffectRefusedError, EffectUnknownError, Observation
from failover.model import PATRONI_PORT, POSTGRESQL_PORT, Unreachable, ZooKeeperState
from failover.observe.attempt import tls_context
from failover.observe.estate import observe
from failover.observe.zookeeper import ask_servers
from failover.runner import Clock
from failover.verbs import Check, Expectation
from infra import paths
from infra.provisioning import Playbook, Progress, ProvisioningError
from infra.topology import Host
from twinsite.context import Context
from twinsite.wiring import access_of, layout_of

NOT_HERE = "recover-quorum touches the ensemble only"
# Where a host that lives answers: sshd, ZooKeeper, PostgreSQL, Patroni.
PORTS = (22, 2181, POSTGRESQL_PORT, PATRONI_PORT)
SILENT_S = 1.0
ANSWERS_S = 2.0
REAL_CLOCK = Clock(time.monotonic, time.time, time.sleep)


@dataclass(frozen=True)
class Word:
    """Who says that the other side is off, and why that is known. None: the power switch has to say so."""

    by: str
    reason: str


class Ensemble:
    """The operator's hands on ZooKeeper. `survivor`: the site whose servers go on alone."""

    def __init__(self, context: Context, word: Word | None, progress: Progress) -> None:
        self._context, self._word, self._progress = context, word, progress
        self.others_off = False

    def assert_others_off(self, *, survivor: str) -> str:
        """A host that answers disproves any word.

        Raises:
            EffectRefusedError: one answers, or nobody vouches.
        """
        others = self._others(survivor)
        with ThreadPoolExecutor(len(others)) as asking:
            found = zip(others, asking.map(answers, others), strict=True)
        if alive := [host.name for host, answered in found if answered]:
            raise EffectRefusedError(
                f"{', '.join(alive)} answers: that side is alive, nothing may be rewritten"
            )
        proof = self._proof(others)
        self.others_off = True
        return f"none of {', '.join(host.name for host in others)} answers; {proof}"

    def _proof(self, others: tuple[Host, ...]) -> str:
        if self._word is not None:
            return f"{self._word.by} vouches that all are off: {self._word.reason}"
        if self._context.is_lab:
            on = [host.name for host in others if self._context.lab.machine(host.name).is_on]
            if not on:
                return "the lab's power switch has each of them off"
            raise EffectRefusedError(f"{', '.join(on)} runs, behind links that are cut")
        raise EffectRefusedError(
            "silence proves nothing: they may live behind a cut link. See that they are off, and say how you"
            " know: --others-are-off REASON"
        )

    def rewrite(self, *, survivor: str) -> str:
        members = [host.name for host in self._servers() if host.site == survivor]
        return self._run(members, fresh=[])

    def restore(self, *, count: int = 0) -> str:  # noqa: ARG002  # the port of two kinds has it
        """All of them again, by and by: those who know stay the majority throughout."""
        knowing = self.members()
        returned = [host.name for host in self._servers() if host.name not in knowing]
        texts = []
        while returned:
            room = max(1, len(knowing) - 1)
            texts.append(self._run([*knowing, *returned[:room]], fresh=returned[:room]))
            knowing, returned = [*knowing, *returned[:room]], returned[room:]
        return "; ".join(texts) or "all servers form the ensemble already"

    def members(self) -> list[str]:
        """The servers that serve now."""
        return [name for name, state in self.states().items() if isinstance(state, ZooKeeperState)]

    def states(self) -> Mapping[str, ZooKeeperState | Unreachable]:
        tls = tls_context(access_of(self._context.secrets))
        return ask_servers(layout_of(self._context.estate).zookeepers, tls, ANSWERS_S)

    def _others(self, survivor: str) -> tuple[Host, ...]:
        """Every host of another site that votes or holds data."""
        estate = self._context.estate
        hosts = (*self._servers(), *estate.hosts_with_role("postgresql"))
        return tuple(dict.fromkeys(host for host in hosts if host.site != survivor))

    def _servers(self) -> tuple[Host, ...]:
        return self._context.estate.hosts_with_role("zookeeper")

    def _run(self, members: list[str], *, fresh: list[str]) -> str:
        context = self._context
        config = context.lab.ssh_config if context.is_lab else None
        playbook = Playbook(
            paths.CHECKOUT / "playbooks" / "ensemble.yml", context.estate, context.secrets, config
        )
        log = paths.logs() / f"ensemble-{context.estate.name}.log"
        try:
            playbook.run(
                log,
                self._progress,
                limit=",".join(members),
                variables={"ensemble_members": members, "ensemble_fresh": fresh},
            )
        except ProvisioningError as error:
            raise EffectUnknownError(str(error)) from error
        return f"the ensemble is {', '.join(members)}; began empty: {', '.join(fresh) or 'none'}"


def answers(host: Host) -> bool:
    """Whether anything of the host accepts or refuses a connection. A refusal comes from a living kernel."""
    return any(_answers(str(host.address), port) for port in PORTS)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=SILENT_S):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


class Sensors:
    """What an operator's machine sees without any agent."""

    def __init__(self, context: Context, ensemble: Ensemble) -> None:
        self._context, self._ensemble = context, ensemble

    def observe(self, expectation: Expectation) -> Observation:
        match expectation.check:
            case Check.OTHERS_OFF:
                return Observation(self._ensemble.others_off, "as was just seen and said")
            case Check.QUORUM:
                return self._quorum(expectation.text("survivor"))
            case Check.ACCEPTS_WRITES:
                return self._writes()
            case other:
                return Observation(holds=False, evidence=f"not seen from here: {other}")

    def _quorum(self, survivor: str) -> Observation:
        """Every server of the site, or of the estate, serves; one of them leads."""
        states = self._ensemble.states()
        names = _names(self._context.estate.hosts_with_role("zookeeper"), survivor)
        modes = [state.mode for name in names if isinstance(state := states[name], ZooKeeperState)]
        holds = len(modes) == len(names) and "leader" in modes
        return Observation(holds, f"{len(modes)} of {len(names)} serve: {', '.join(modes) or 'none'}")

    def _writes(self) -> Observation:
        view = observe(layout_of(self._context.estate), access_of(self._context.secrets))
        primary = view.primary
        serving = [entry.site for entry in view.entries if getattr(entry.api, "serves", "") == "writes"]
        return Observation(
            primary is not None and bool(serving),
            f"primary {primary.node.name if primary else 'nobody'}; writes at {', '.join(serving) or 'none'}",
        )


def _names(hosts: Iterable[Host], survivor: str) -> list[str]:
    return [host.name for host in hosts if survivor in ("all", host.site)]


class NoOffice:
    """Without ZooKeeper nobody is elected: this machine's journal lets one operation run at a time."""

    epoch = 0

    def check(self) -> None:
        """Nobody can have taken over."""


def actuators(ensemble: Ensemble) -> Actuators:
    absent = _Nothing(NOT_HERE)
    return Actuators(
        fencing=NoFencing(),
        leader_key=absent,
        patroni=absent,
        databases=absent,
        synchronous=absent,
        pools=absent,
        write_gate=absent,
        hosts=absent,
        ensemble=ensemble,
    )


class _Nothing(Absent):
    """Every other port refuses."""

    def release(self, *, leader: str, session: int, candidate: str, sync_version: int | None) -> str:  # noqa: ARG002
        return self._refuse()

    def announce(self, *, leader: str, candidate: str, operation: str) -> str:  # noqa: ARG002
        return self._refuse()

    def hand_over(self, *, leader: str, candidate: str) -> str:  # noqa: ARG002
        return self._refuse()

    def clear_order(self) -> str:
        return self._refuse()

    def force_failover(self, *, candidate: str) -> str:  # noqa: ARG002
        return self._refuse()

    def reinitialize(self, *, host: str) -> str:  # noqa: ARG002
        return self._refuse()

    def pause(self, *, operation: str, hold_s: float, candidate: str = "") -> str:  # noqa: ARG002
        return self._refuse()

    def resume(self, *, primary: str = "") -> str:  # noqa: ARG002
        return self._refuse()

    def route(self, *, primary: str) -> str:  # noqa: ARG002
        return self._refuse()

    def close(self) -> str:
        return self._refuse()

    def open(self) -> str:
        return self._refuse()

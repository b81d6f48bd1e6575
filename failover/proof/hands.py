"""Every port of a rehearsed estate, and who acts by them: before and after each effect it may die."""

from __future__ import annotations

from failover.actuators.ports import Actuators, EffectRefusedError, Guarantee
from failover.proof.rehearsal import Being, Office, Rehearsal, Sensors
from failover.runner import Runner


def actuators(estate: Rehearsal) -> Actuators:
    hands = _Hands(estate)
    return Actuators(
        fencing=hands,
        leader_key=hands,
        patroni=hands,
        databases=hands,
        synchronous=_Preference(estate),
        pools=_Pools(estate),
        write_gate=_Gate(estate),
        hosts=hands,
        ensemble=_Ensemble(estate),
    )


def runner(estate: Rehearsal, epoch: int, sensors: Sensors | None = None) -> Runner:
    """The hand of the orchestrator that took office under this epoch."""
    office = Office(estate, epoch)
    return Runner(
        store=office,
        actuators=actuators(estate),
        sensors=sensors or Sensors(estate),
        guard=office,
        clock=estate.clock(),
        poll_s=0.25,
    )


class _Port:
    def __init__(self, estate: Rehearsal) -> None:
        self.estate = estate

    def _done(self, what: str = "done") -> str:
        self.estate.live()
        self.estate.point()
        return what


class _Hands(_Port):
    guarantee = Guarantee.CERTAIN

    def fence(self, host: str) -> str:
        self.estate.point()
        self.estate.fenced.add(host)
        self.estate.power_off(host)
        return self._done()

    def confirm(self, host: str) -> str:
        return self.fence(host)

    def fenced(self, host: str) -> bool:
        return host in self.estate.fenced

    def unfence(self, host: str) -> str:
        self.estate.point()
        self.estate.fenced.discard(host)
        if self.estate.beings[host] is Being.OFF:
            self.estate.beings[host] = Being.STOPPED
        return self._done()

    def release(self, *, leader: str, session: int, candidate: str, sync_version: int | None) -> str:
        self.estate.point()
        pinned = self.estate.sync_version == sync_version if sync_version else candidate in self.estate.sync
        if self.estate.key != (leader, session) or not pinned:
            raise EffectRefusedError("the key or /sync is not as diagnosed")
        self.estate.key, self.estate.ordered = None, (leader, candidate)
        return self._done()

    def announce(self, *, leader: str, candidate: str, operation: str) -> str:
        self.estate.point()
        self.estate.announced = (operation, leader, candidate)
        return self._done()

    def hand_over(self, *, leader: str, candidate: str) -> str:
        self.estate.point()
        if candidate not in self.estate.sync:
            raise EffectRefusedError(f"{candidate} is not synchronous any more")
        self.estate.ordered = (leader, candidate)
        return self._done()

    def clear_order(self) -> str:
        self.estate.point()
        if self.estate.key and self.estate.beings[self.estate.key[0]] is Being.PRIMARY:
            self.estate.ordered = None
        return self._done()

    def force_failover(self, *, candidate: str) -> str:
        self.estate.point()
        if self.estate.writer != candidate:
            self.estate.promote(candidate)
        return self._done()

    def reinitialize(self, *, host: str) -> str:
        self.estate.point()
        self.estate.beings[host] = Being.STANDBY
        self.estate.reinitialized += 1
        return self._done()

    def checkpoint(self, *, host: str) -> str:
        self.estate.point()
        self.estate.checkpointed.add(host)
        return self._done()

    def hold(self, *, host: str) -> str:
        self.estate.point()
        self.estate.held.add(host)
        self.estate.beings[host] = Being.STOPPED
        return self._done()

    def give_back(self, *, host: str) -> str:
        self.estate.point()
        self.estate.held.discard(host)
        return self._done()

    def prefer_site(self, *, site: str) -> str:
        self.estate.point()
        self.estate.site = site
        return self._done()


class _Preference(_Port):
    def prefer(self, *, host: str) -> str:  # noqa: ARG002  # all become synchronous, this one among them
        self.estate.point()
        self.estate.sync_count = len(self.estate.beings) - 1
        return self._done()

    def restore(self, *, count: int) -> str:
        self.estate.point()
        self.estate.sync_count = count
        return self._done()


class _Pools(_Port):
    def pause(self, *, operation: str, hold_s: float, candidate: str = "") -> str:  # noqa: ARG002
        self.estate.point()
        self.estate.paused = (operation, self.estate.now + hold_s)
        return self._done()

    def resume(self, *, primary: str = "") -> str:  # noqa: ARG002  # routes follow by themselves here
        self.estate.point()
        self.estate.paused = None
        return self._done()

    def route(self, *, primary: str) -> str:  # noqa: ARG002
        self.estate.point()
        return self._done()


class _Gate(_Port):
    def close(self) -> str:
        self.estate.point()
        self.estate.writes_open = False
        return self._done()

    def open(self) -> str:
        self.estate.point()
        self.estate.writes_open = True
        return self._done()


class _Ensemble(_Port):
    def assert_others_off(self, *, survivor: str) -> str:
        self.estate.point()
        self.estate.others_off = True
        return self._done(f"an operator said that all but {survivor} is off")

    def rewrite(self, *, survivor: str) -> str:
        self.estate.point()
        self.estate.quorum = True
        return self._done(f"{survivor} alone")

    def restore(self) -> str:
        self.estate.point()
        self.estate.quorum = True
        return self._done()

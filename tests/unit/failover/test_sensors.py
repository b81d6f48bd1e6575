"""What a plan may believe: who replaced a lost primary, and where pools may be led to."""

from __future__ import annotations

from typing import Any, cast

import pytest

from failover.actuators.pools import Pools
from failover.actuators.ports import EffectRefusedError
from failover.panel import Picture
from failover.proof.scenery import Health, Scene, picture
from failover.sensors import Instruments, LiveSensors
from failover.stranded import Stranded
from failover.verbs import Check, Expectation
from failover.views import ClusterRecord, LeaderKey, SyncKey

OLD, LIKELY, OTHER = "dc1-db1", "dc1-db2", "dc2-db1"


class Primaries:
    """A close-up of hosts of which these are not in recovery, and those have stopped."""

    def __init__(self, *hosts: str, stopped: tuple[str, ...] = ()) -> None:
        self._hosts, self._stopped = hosts, stopped

    def promoted(self, host: str) -> bool:
        return host in self._hosts

    def stopped(self, host: str) -> bool:
        return host in self._stopped


def cluster(
    holder: str | None, *, ordered: bool = False, synchronous: frozenset[str] = frozenset({LIKELY, OTHER})
) -> ClusterRecord:
    leader = LeaderKey(holder, 7) if holder else None
    sync = SyncKey(leader=holder, members=synchronous, version=1)
    return ClusterRecord(
        leader=leader, sync=sync, members=frozenset(), paused=False, failover_pending=ordered, sync_wanted=2
    )


def sensors(
    holder: str | None,
    primaries: tuple[str, ...],
    *,
    ordered: bool = False,
    stranded: Stranded | None = None,
    seen: Picture | None = None,
    stopped: tuple[str, ...] = (),
    synchronous: frozenset[str] = frozenset({LIKELY, OTHER}),
) -> LiveSensors:
    untouched = cast("Any", None)
    return LiveSensors(
        Instruments(
            look=lambda: cast("Picture", seen),
            settled=untouched,
            cluster=lambda: cluster(holder, ordered=ordered, synchronous=synchronous),
            leader=lambda: holder,
            fencing=untouched,
            inspector=untouched,
            close_up=cast("Any", Primaries(*primaries, stopped=stopped)),
            pools=untouched,
            preferred_site=lambda: None,
            stranded=lambda _: stranded,
        )
    )


@pytest.mark.parametrize(
    ("primaries", "holder", "holds", "said"),
    [
        ((), None, False, "in recovery"),
        ((LIKELY,), LIKELY, True, f"{LIKELY} is not in recovery"),
        ((LIKELY,), None, False, "nobody's"),
        ((OTHER,), OTHER, True, f"{OTHER} took over, not {LIKELY}"),
        ((), OTHER, False, "in recovery"),
        ((OLD,), OLD, False, "in recovery"),
        ((OLD, LIKELY), OLD, False, f"{OLD}'s"),
    ],
)
def test_a_primary_is_replaced_by_whomever_patroni_elected(
    primaries: tuple[str, ...], holder: str | None, holds: bool, said: str
) -> None:
    asked = Expectation.of(Check.REPLACED, host=OLD, likely=LIKELY)
    seen = sensors(holder, primaries).observe(asked)
    assert (seen.holds, said in seen.evidence) == (holds, True), seen.evidence


@pytest.mark.parametrize(
    ("ordered", "holder", "hopeless"), [(True, OLD, False), (False, OLD, True), (False, LIKELY, False)]
)
def test_a_stop_that_patroni_has_no_order_for_is_not_waited_for(
    ordered: bool, holder: str, hopeless: bool
) -> None:
    asked = Expectation.of(Check.SHUT_DOWN_CLEANLY, host=OLD, candidate=LIKELY)
    seen = sensors(holder, (), ordered=ordered).observe(asked)
    assert (seen.holds, seen.hopeless) == (False, hopeless), seen.evidence


@pytest.mark.parametrize(
    ("holder", "synchronous", "holds"),
    [
        (OLD, {LIKELY, OTHER}, True),
        (OLD, {OTHER}, False),
        (LIKELY, (), True),  # it has taken the key, and /sync with it
        (OTHER, (), False),
    ],
)
def test_a_stopped_primary_has_a_successor_that_has_every_write(
    holder: str, synchronous: set[str], holds: bool
) -> None:
    asked = Expectation.of(Check.SHUT_DOWN_CLEANLY, host=OLD, candidate=LIKELY)
    seen = sensors(holder, (), stopped=(OLD,), synchronous=frozenset(synchronous)).observe(asked)
    assert seen.holds is holds, seen.evidence


def test_pools_are_led_to_nobody_while_nobody_holds_the_leader_key() -> None:
    """Sessions that are made with a standby work, and stay: every write through them is refused."""
    untouched = cast("Any", None)
    pools = Pools(
        untouched, untouched, list, monotonic=lambda: 0.0, sleep=lambda _: None, leader=lambda: None
    )
    with pytest.raises(EffectRefusedError, match=f"nobody holds the leader key, and {LIKELY} does not"):
        pools.route(primary=LIKELY)


@pytest.mark.parametrize(
    ("found", "holds", "said"),
    [
        (None, False, "is not known to wait"),
        (Stranded("dc1-db1", 0, 1 << 24), True, "waits for WAL from 0/0 on"),
        (Stranded("dc1-db1", 0, 1 << 24, own="its timeline is unknown"), False, "timeline is unknown"),
    ],
)
def test_a_standby_is_copied_anew_only_if_it_holds_nothing_of_its_own(
    found: Stranded | None, holds: bool, said: str
) -> None:
    seen = sensors(OLD, (), stranded=found).observe(Expectation.of(Check.STRANDED, host=OTHER))
    assert (seen.holds, said in seen.evidence) == (holds, True), seen.evidence


@pytest.mark.parametrize(
    ("scene", "holds"),
    [
        (Scene(stranded={OTHER: Stranded(OLD, 0, 1)}), False),
        (Scene(copying=frozenset({OTHER})), True),
        (Scene(), True),
        (Scene().with_health(Health.OFF, OTHER), False),
    ],
    ids=["still as it was", "copies", "streams", "no answer"],
)
def test_a_rebuild_has_begun_when_the_host_is_not_what_it_was(scene: Scene, holds: bool) -> None:
    seen = sensors(OLD, (), seen=picture(scene)).observe(Expectation.of(Check.REBUILDING, host=OTHER))
    assert seen.holds is holds, seen.evidence

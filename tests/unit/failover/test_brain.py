"""One tick: who is in office decides, records what changed, acts once, and gives way to the witness."""

from dataclasses import dataclass, field, replace

import pytest

from failover.brain import Brain, Standing
from failover.decide import Mode, Policy
from failover.journal import DeposedError, Entry, Event, Outcome, Record
from failover.plan import Operation, Plan, Step
from failover.procedures import switchover
from failover.proof.hands import actuators
from failover.proof.rehearsal import Being, Office, Rehearsal, Sensors
from failover.proof.scenery import Health, Scene, picture
from failover.runner import Runner
from failover.stranded import Stranded
from failover.transitions import Durability
from failover.verbs import Check, Expectation

LOST = Scene().with_health(Health.OFF, "dc1-db1")


@dataclass
class Leaders:
    """Leadership without ZooKeeper: `free` says whether the office can be had."""

    estate: Rehearsal
    free: bool = True
    epoch: int = -1
    fails_at: int = 0

    def campaign(self) -> bool:
        if self.free and self.epoch < 0:
            self.epoch = self.estate.epoch = self.estate.epoch + 1
        return self.epoch >= 0

    def resign(self) -> None:
        self.epoch = -1

    def check(self) -> None:
        assert self.epoch == self.estate.epoch
        self.fails_at -= 1
        if self.fails_at == 0:
            raise DeposedError("ZooKeeper does not answer")


@dataclass
class Book:
    texts: list[str] = field(default_factory=list)
    last: tuple[str, ...] = ()

    def rulings(self, texts, stable) -> None:
        if stable != self.last:
            self.texts += texts
            self.last = stable

    def write(self, text) -> None:
        self.texts.append(text)


class Gates:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def close(self) -> str:
        self.calls.append("close")
        return "closed"

    def open(self) -> str:
        self.calls.append("open")
        return "opened"


@dataclass
class Requests:
    """The desk: `orders` waiting, and what operators have said of operations."""

    orders: list[Entry] = field(default_factory=list)
    aborted: str | None = None
    forward: bool = False

    def next_order(self, picture) -> Entry | None:
        assert picture.operation is None
        return self.orders.pop() if self.orders else None

    def wants_forward(self, _entry) -> bool:
        return self.forward

    def aborts(self, entry) -> str | None:
        return None if entry.committed else self.aborted


class World:
    """A brain over a rehearsal, looking at a scene that the test chooses."""

    def __init__(self, scene: Scene, policy: Policy | None = None, name: str = "wit-zk1") -> None:
        self.acknowledged: float | None = None
        self.scene, self.estate = scene, Rehearsal()
        if Health.OFF in scene.health.values():
            self.estate.power_off("dc1-db1")
        self.leaders, self.book, self.gates = Leaders(self.estate), Book(), Gates()
        self.requests = Requests()
        store = Office(self.estate, 99)
        standing = Standing(name, name.startswith("wit"), frozenset({"wit"}))
        self.brain = Brain(
            standing=standing,
            policy=policy or Policy(),
            office=self.leaders,
            look=lambda: picture(self.scene),
            journal=store,
            runner=Runner(
                store=store,
                actuators=actuators(self.estate),
                sensors=Sensors(self.estate),
                guard=self.leaders,
                clock=self.estate.clock(),
            ),
            chronicle=self.book,
            gate=self.gates,
            desk=self.requests,
            clock=self.estate.clock(),
            acknowledged_at=lambda: self.acknowledged,
        )

    def entries(self) -> list[Entry]:
        return list(self.estate.entries.values())


def test_a_loss_is_answered_in_the_first_tick_that_sees_it_confirmed() -> None:
    world = World(LOST)

    world.brain.tick()

    (entry,) = world.entries()
    assert entry.outcome is Outcome.DONE
    assert entry.plan.title.startswith("[P-03] primary-host-lost (dc1-db1)")
    assert world.estate.writer == "dc1-db2"
    assert world.book.texts[-1].startswith(f"{entry.plan.title}: done (fence +")
    assert "release +" in world.book.texts[-1]


def test_a_second_failover_within_the_window_needs_an_operator() -> None:
    world = World(LOST)
    world.brain.tick()

    decision = world.brain.tick()

    assert decision is not None
    assert decision.act is None
    assert "anti-flap" in decision.rulings[0].explain()
    assert len(world.entries()) == 1


def test_the_window_outlives_the_agent_that_saw_its_beginning() -> None:
    world = World(LOST)
    world.brain.tick()
    world.leaders.resign()

    decision = world.brain.tick()

    assert decision is not None
    assert decision.act is None


def failover(world: World) -> bool:
    """Whether the primary's host, back as it was and lost anew, is replaced in one tick."""
    before, fresh = len(world.entries()), Rehearsal()
    fresh.power_off("dc1-db1")
    world.estate.beings, world.estate.key = fresh.beings, fresh.key
    world.estate.sync, world.estate.sync_version = fresh.sync, fresh.sync_version
    world.brain.tick()
    return len(world.entries()) > before


def test_an_operators_acknowledgement_frees_the_next_failover() -> None:
    world = World(LOST)
    assert failover(world)
    world.estate.now += 1.0
    assert not failover(world)

    world.acknowledged = world.estate.now

    assert failover(world)


def test_failovers_that_repeat_are_flapping_and_the_next_one_needs_an_operator() -> None:
    world = World(LOST, Policy(anti_flap_s=10.0, flapping_s=1000.0))
    for _ in range(2):
        assert failover(world)
        world.estate.now += 20.0

    assert not failover(world)
    assert any(text.startswith("[Q-03] flapping (cluster)") for text in world.book.texts)
    assert any("flapping: 2 automatic failovers" in text for text in world.book.texts)

    world.estate.now += 1000.0
    assert failover(world)


def test_a_stranded_standby_is_copied_anew_once_and_then_an_operator_is_told() -> None:
    world = World(Scene(stranded={"dc2-db2": Stranded("dc1-db1", 1, 1 << 24)}))
    world.estate.beings["dc2-db2"] = Being.STRANDED
    for _ in range(4):
        world.brain.tick()
        world.estate.now += 20.0

    (entry,) = world.entries()
    assert entry.outcome is Outcome.DONE
    assert entry.plan.title == "[D-06] standby-stranded (dc2-db2)"
    assert world.estate.reinitialized == 1
    assert any("anti-flap: rebuilt" in text for text in world.book.texts), "it is seen stranded still"


def test_observe_only_records_what_it_would_have_done_and_touches_nothing() -> None:
    world = World(LOST, Policy(mode=Mode.OBSERVE))

    world.brain.tick()
    world.brain.tick()

    assert not world.entries()
    assert world.estate.key == ("dc1-db1", 1)
    assert len([text for text in world.book.texts if "would fence" in text]) == 1


def test_who_is_not_in_office_does_nothing() -> None:
    world = World(LOST)
    world.leaders.free = False

    assert world.brain.tick() is None
    assert not world.entries()


def test_others_let_the_witness_go_first_and_give_way_to_it() -> None:
    world = World(Scene(), name="dc1-app1")

    assert world.brain.tick() is None
    assert world.leaders.epoch < 0
    world.estate.sleep(1.1)
    assert world.brain.tick() is None  # took office, saw the witness's agent, resigned
    assert world.leaders.epoch < 0

    world.scene = Scene().with_site(Health.OFF, "wit")
    world.estate.sleep(2.0)
    assert world.brain.tick() is not None


def test_nobody_gives_way_while_a_loss_waits_for_its_confirmation() -> None:
    """The witness's agent, back in the midst of it, begins anew: that cost a drill two seconds."""
    world = World(Scene().with_site(Health.OFF, "wit"), name="dc2-app1")
    world.estate.sleep(2.0)
    assert world.brain.tick() is None
    world.estate.sleep(2.0)
    assert world.brain.tick() is not None

    world.scene = LOST
    assert world.brain.tick() is not None
    assert world.leaders.epoch >= 0


@pytest.mark.parametrize(
    ("durability", "calls"),
    [(Durability.STRICT, ["open", "close", "open"]), (Durability.AVAILABLE, ["open"])],
)
def test_the_write_gate_follows_the_exposure_under_strict_only(durability, calls) -> None:
    world = World(Scene(), Policy(durability=durability))

    for scene in (Scene(), replace(Scene(), sync=frozenset({"dc1-db2"})), Scene(), Scene()):
        world.scene = scene
        world.brain.tick()

    assert world.gates.calls == calls


def test_an_operation_that_zookeeper_interrupted_is_ended_in_the_next_tick() -> None:
    world = World(LOST)
    world.leaders.fails_at = 2

    with pytest.raises(DeposedError):
        world.brain.tick()
    (entry,) = world.entries()
    assert entry.outcome is None
    world.scene = replace(LOST, operation=entry.id)
    world.brain.tick()

    assert world.entries()[0].outcome is not None
    assert world.estate.writer == "dc1-db2"


def test_a_new_term_ends_what_the_last_one_left_open() -> None:
    world = World(Scene())
    done = World(LOST)
    done.brain.tick()
    (entry,) = done.entries()
    world.estate.entries[entry.id] = replace(entry, records=(), outcome=None)

    world.brain.tick()

    assert world.estate.entries[entry.id].outcome is not None


def switch() -> Entry:
    plan = switchover.plan(switchover.Switch("op-1", "dc1-db1", 1, "dc2-db1", "dc2"))
    return Entry("op-1", plan, "operator", "test")


def test_an_operators_order_is_carried_out_and_told_in_the_history() -> None:
    world = World(Scene())
    world.requests.orders = [switch()]

    world.brain.tick()

    assert world.entries()[0].outcome is Outcome.DONE
    assert world.estate.writer == "dc2-db1"
    assert world.book.texts[-1].startswith("switch the primary from dc1-db1 to dc2-db1: done")


def test_a_loss_comes_before_any_order() -> None:
    world = World(LOST)
    world.requests.orders = [switch()]

    world.brain.tick()

    assert world.requests.orders
    assert world.entries()[0].plan.title.startswith("[P-03]")


def test_an_operator_ends_an_operation_that_has_a_way_back() -> None:
    world = World(Scene())
    world.requests.orders, world.requests.aborted = [switch()], "aborted by operator: a mistake"

    world.brain.tick()

    (entry,) = world.entries()
    assert entry.outcome is Outcome.ROLLED_BACK
    assert world.estate.writer == "dc1-db1"
    assert "aborted by operator: a mistake" in [record.evidence for record in entry.records]


def test_a_loss_ends_an_operation_that_waits() -> None:
    """A rebuild may take an hour; the primary's loss is answered within the next looks all the same."""
    world = World(Scene())
    waits = Step("rebuild", "rebuild dc2-db2", Expectation.of(Check.STREAMS, host="nobody"), timeout_s=3600.0)
    world.requests.orders = [Entry("op-1", Plan(Operation.FAILBACK, "rebuild", (waits,)), "operator", "test")]
    live = world.estate.live

    def lose_the_primary() -> None:
        live()
        if world.estate.now > 5.0:
            world.scene = LOST

    world.estate.live = lose_the_primary

    world.brain.tick()

    (entry,) = world.entries()
    assert entry.outcome is Outcome.ROLLED_BACK
    assert "primary-host-lost" in entry.records[1].evidence
    assert world.estate.now < 7.0
    world.estate.power_off("dc1-db1")
    world.brain.tick()
    assert world.entries()[-1].plan.title.startswith("[P-03]")


def test_an_interrupted_operation_goes_back_unless_an_operator_wants_it_forward() -> None:
    for forward, writer in ((False, "dc1-db1"), (True, "dc2-db1")):
        world = World(replace(Scene(), operation="op-1"))
        begun = Record(Event.INTENT, "preflight", "", 1, 0.0)
        world.estate.entries["op-1"] = replace(switch(), records=(begun,))
        world.requests.forward = forward

        world.brain.tick()

        assert world.entries()[0].outcome is not None
        assert world.estate.writer == writer

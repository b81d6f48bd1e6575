"""On a real ZooKeeper: one in office, a rising epoch, and effects that only hold if nothing changed."""

import json
import threading
import time
from dataclasses import replace
from unittest.mock import create_autospec

import pytest
from kazoo.protocol.states import ZnodeStat

from failover.actuators import ports
from failover.actuators.dispatch import STAMPED, perform
from failover.actuators.leader_key import ANNOUNCED, LeaderKey
from failover.actuators.pools import Pools
from failover.actuators.ports import EffectRefusedError
from failover.actuators.preferences import PreferredSite
from failover.journal import DeposedError, Entry, OperationRunningError, Outcome
from failover.journal_store import (
    CURRENT,
    OPERATIONS,
    Copied,
    FileJournal,
    OrderWithdrawnError,
    ZooKeeperJournal,
)
from failover.leadership import EPOCH, LEADER, Leadership, commit
from failover.plan import Operation, Plan
from failover.requests import Request, RequestBox
from failover.verbs import Instruction

pytestmark = pytest.mark.lab


def in_office(client, name="one") -> Leadership:
    leadership = Leadership(client, name)
    leadership.prepare()
    assert leadership.campaign()
    return leadership


def cluster(client, owner) -> int:
    """Patroni's znodes as it makes them; the leader key belongs to `owner`'s session."""
    client.ensure_path("/twinsite/crm")
    client.create("/twinsite/crm/sync", b'{"leader":"dc1-db1","sync_standby":"dc1-db2,dc2-db1"}')
    owner.create("/twinsite/crm/leader", b"dc1-db1", ephemeral=True)
    return int(owner.client_id[0])


def test_one_is_in_office_and_the_epoch_rises_with_each_term(client) -> None:
    one, two = in_office(client()), Leadership(client(), "two")

    assert not two.campaign()
    first = one.epoch
    one.resign()
    assert two.campaign()
    assert two.epoch > first
    assert two.holder() == "two"
    two.check()


def test_a_deposed_orchestrator_learns_it_at_its_next_effect(client) -> None:
    old_client = client()
    old = in_office(old_client)
    old_client.delete(LEADER)  # as if its session had ended without its noticing
    new = in_office(client(), "two")

    transaction = old.stamped()
    transaction.create("/twinsite/effect", b"")
    with pytest.raises(DeposedError):
        old.commit(transaction)

    assert not old_client.exists("/twinsite/effect")
    assert not old.in_office
    with pytest.raises(DeposedError):
        old.check()
    new.check()


def carried_by_zookeeper(zk, leadership) -> ports.Actuators:
    """The ports whose effects are transactions are real, the others are nobody's."""
    site = PreferredSite(zk, leadership)
    site.prepare()
    return ports.Actuators(
        fencing=create_autospec(ports.Fencing),
        leader_key=LeaderKey(zk, leadership),
        patroni=create_autospec(ports.PatroniPort),
        databases=create_autospec(ports.DatabasesPort),
        synchronous=create_autospec(ports.SynchronousPort),
        pools=Pools(
            zk,
            leadership,
            lambda: ("dc1-app1",),
            leader=lambda: "dc1-db1",
            monotonic=time.monotonic,
            sleep=time.sleep,
        ),
        write_gate=create_autospec(ports.WriteGatePort),
        hosts=site,
        ensemble=create_autospec(ports.EnsemblePort),
    )


@pytest.mark.parametrize("verb", sorted(STAMPED))
def test_a_deposed_orchestrator_does_nothing_for_which_it_is_not_asked_its_epoch(client, verb) -> None:
    zk = client()
    old = in_office(zk)
    arguments = {
        "session": cluster(zk, client()),
        "leader": "dc1-db1",
        "candidate": "dc2-db1",
        "sync_version": 0,
        "operation": "op",
        "hold_s": 5.0,
        "primary": "dc2-db1",
        "site": "dc2",
    }
    zk.create("/twinsite/crm/failover", b"{}")
    zk.create("/twinsite/crm/config", b"{}")
    actuators = carried_by_zookeeper(zk, old)
    zk.delete(LEADER)
    in_office(client(), "two")

    with pytest.raises(DeposedError):
        perform(actuators, Instruction.of(verb, **arguments))


def test_a_lost_session_starts_over(client) -> None:
    zk = client()
    leadership = in_office(zk)
    first = leadership.epoch

    zk.restart()

    assert leadership.campaign()
    assert leadership.epoch > first


def test_who_took_office_without_hearing_of_it_has_it_at_its_next_try(client, monkeypatch) -> None:
    """The connection was lost between the transaction and its answer; the session goes on."""
    zk = client()
    leadership = Leadership(zk, "one")
    leadership.prepare()
    before = zk.get(EPOCH)[1].version

    def unheard(transaction) -> None:
        commit(transaction)
        raise DeposedError("no answer")

    with monkeypatch.context() as lost:
        lost.setattr("failover.leadership.commit", unheard)
        with pytest.raises(DeposedError):
            leadership.campaign()
    assert not Leadership(client(), "two").campaign()
    assert leadership.holder() == "one"
    assert not leadership.in_office

    assert leadership.campaign()
    assert leadership.epoch == before + 2
    leadership.check()


def test_the_key_is_released_for_a_candidate_and_the_order_left_for_patroni(client) -> None:
    zk = client()
    leadership = in_office(zk)
    session = cluster(zk, client())

    evidence = LeaderKey(zk, leadership).release(
        leader="dc1-db1", session=session, candidate="dc2-db1", sync_version=0
    )

    assert "released for dc2-db1" in evidence
    assert zk.exists("/twinsite/crm/leader") is None
    order, _ = zk.get("/twinsite/crm/failover")
    assert json.loads(order) == {"leader": "dc1-db1", "member": "dc2-db1"}


def test_an_order_to_hand_over_is_left_for_patroni_and_wakes_nobody_else(client) -> None:
    """What every member watches stays as it is: the children of the cluster's znode, its leader, /config."""
    zk, ordered, others = client(), threading.Event(), threading.Event()
    leadership = in_office(zk)
    cluster(zk, client())
    zk.create("/twinsite/crm/config", b'{"ttl": 20}')
    zk.create("/twinsite/crm/failover", b"{}")
    watcher = client()
    watcher.get("/twinsite/crm/failover", watch=lambda _: ordered.set())
    for path in ("/twinsite/crm/config", "/twinsite/crm/leader"):
        watcher.get(path, watch=lambda _: others.set())
    watcher.get_children("/twinsite/crm", watch=lambda _: others.set())

    LeaderKey(zk, leadership).hand_over(leader="dc1-db1", candidate="dc2-db1")

    assert ordered.wait(10.0)
    watcher.sync("/twinsite/crm")  # whatever else was changed has been told by its answer
    assert not others.is_set()
    order, _ = zk.get("/twinsite/crm/failover")
    assert json.loads(order) == {"leader": "dc1-db1", "member": "dc2-db1"}


@pytest.mark.parametrize(
    ("hindrance", "said"),
    [(None, "dc1-db1 expects the order"), ("dc2-db1 lags", "must not hand over: dc2-db1 lags")],
)
def test_an_order_is_announced_and_what_the_leader_answers_counts(client, hindrance, said) -> None:
    zk = client()
    key = LeaderKey(zk, in_office(zk))
    key.prepare()
    patroni = client()

    @patroni.DataWatch(ANNOUNCED)
    def answer(data: bytes | None, stat: ZnodeStat) -> None:
        word = json.loads(data or b"{}")
        if word and "hindrance" not in word:
            assert word == {"operation": "op-1", "leader": "dc1-db1", "member": "dc2-db1"}
            patroni.set(ANNOUNCED, json.dumps(word | {"hindrance": hindrance}).encode(), stat.version)

    def announce() -> str:
        return key.announce(leader="dc1-db1", candidate="dc2-db1", operation="op-1")

    if hindrance is None:
        assert said in announce()
    else:
        with pytest.raises(EffectRefusedError, match=said):
            announce()


def test_a_leader_that_does_not_answer_an_announcement_is_not_waited_for_long(client) -> None:
    zk = client()
    key = LeaderKey(zk, in_office(zk))
    key.prepare()

    assert "has not answered" in key.announce(leader="dc1-db1", candidate="dc2-db1", operation="op-1")


@pytest.mark.parametrize(
    ("leader", "candidate", "said"),
    [
        ("dc1-db2", "dc2-db1", "the leader key is dc1-db1's"),
        ("dc1-db1", "dc2-db2", "dc2-db2 is not synchronous"),
    ],
)
def test_nothing_is_ordered_of_another_leader_or_for_one_who_may_lack_writes(
    client, leader, candidate, said
) -> None:
    zk = client()
    leadership = in_office(zk)
    cluster(zk, client())
    zk.create("/twinsite/crm/config", b"{}")

    with pytest.raises(EffectRefusedError, match=said):
        LeaderKey(zk, leadership).hand_over(leader=leader, candidate=candidate)

    assert zk.exists("/twinsite/crm/failover") is None


def test_a_key_of_another_session_stays(client) -> None:
    zk = client()
    leadership = in_office(zk)
    session = cluster(zk, client())

    with pytest.raises(EffectRefusedError, match="dc1-db1's under session"):
        LeaderKey(zk, leadership).release(
            leader="dc1-db1", session=session + 1, candidate="dc2-db1", sync_version=0
        )

    assert zk.exists("/twinsite/crm/leader")


def test_a_changed_sync_key_forbids_the_release(client) -> None:
    zk = client()
    leadership = in_office(zk)
    session = cluster(zk, client())
    zk.set("/twinsite/crm/sync", b'{"leader":"dc1-db1","sync_standby":"dc1-db2"}')

    with pytest.raises(EffectRefusedError, match="changed in between"):
        LeaderKey(zk, leadership).release(
            leader="dc1-db1", session=session, candidate="dc2-db1", sync_version=0
        )

    assert zk.exists("/twinsite/crm/leader")
    assert zk.exists("/twinsite/crm/failover") is None


def test_a_deposed_orchestrator_cannot_release_the_key(client) -> None:
    zk = client()
    leadership = in_office(zk)
    session = cluster(zk, client())
    zk.set(EPOCH, b"another")

    with pytest.raises(DeposedError):
        LeaderKey(zk, leadership).release(
            leader="dc1-db1", session=session, candidate="dc2-db1", sync_version=0
        )

    assert zk.exists("/twinsite/crm/leader")


def entry(name: str) -> Entry:
    return Entry(name, Plan(Operation.AUTOMATIC, f"plan of {name}", ()), "operator", "test")


def test_the_journal_takes_one_operation_at_a_time_and_keeps_it_for_a_successor(client, tmp_path) -> None:
    zk = client()
    leadership = in_office(zk)
    journal = ZooKeeperJournal(zk, leadership)
    journal.prepare()
    copied = Copied(journal, FileJournal(tmp_path))

    copied.open(entry("op-1"))
    with pytest.raises(OperationRunningError, match="op-1"):
        copied.open(entry("op-2"))
    successor = ZooKeeperJournal(client(), leadership)
    assert successor.current() == entry("op-1")

    copied.save(Entry("op-1", entry("op-1").plan, "operator", "test", outcome=Outcome.DONE))
    assert copied.current() is None
    copied.open(entry("op-2"))
    assert [each.id for each in copied.entries()] == ["op-1", "op-2"]
    assert [each.id for each in journal.newest()] == ["op-2", "op-1"]
    deadline = time.monotonic() + 60
    while FileJournal(tmp_path).entries() != copied.entries():
        assert time.monotonic() < deadline, "no copy on disk"
        time.sleep(0.05)


def test_history_of_a_newer_release_is_left_out_and_its_open_operation_is_not(client) -> None:
    zk = client()
    journal = ZooKeeperJournal(zk, in_office(zk))
    journal.prepare()
    for name in ("op-1", "op-2", "op-3"):
        journal.open(entry(name))
        journal.save(replace(entry(name), outcome=Outcome.DONE))
    data, _ = zk.get(f"{OPERATIONS}/op-2")
    zk.set(
        f"{OPERATIONS}/op-2", data.replace(b'"steps":[]', b'"steps":[{"name":"leap","check":{"name":"x"}}]')
    )

    assert [each.id for each in journal.entries()] == ["op-1", "op-3"]
    zk.create(CURRENT, b"op-2")
    with pytest.raises((ValueError, KeyError)):
        journal.current()


def test_an_order_that_was_withdrawn_while_it_was_planned_is_not_begun(client) -> None:
    zk, operator = client(), RequestBox(client())
    journal = ZooKeeperJournal(zk, in_office(zk))
    journal.prepare()
    asked = Request("op-1", Operation.FAILBACK, "operator", "test", 1.0)
    ordered = Entry("op-1", Plan(Operation.FAILBACK, "bring back", ()), "operator", "test")

    operator.submit(asked)
    operator.withdraw(asked)
    with pytest.raises(OrderWithdrawnError, match="op-1 was withdrawn"):
        journal.open(ordered)
    assert (journal.current(), journal.entries()) == (None, ())

    operator.submit(asked)
    journal.open(ordered)
    assert journal.current() == ordered


def test_a_deposed_orchestrator_cannot_write_the_journal(client) -> None:
    zk = client()
    leadership = in_office(zk)
    journal = ZooKeeperJournal(zk, leadership)
    journal.prepare()
    journal.open(entry("op-1"))
    zk.set(EPOCH, b"another")

    with pytest.raises(DeposedError):
        journal.save(entry("op-1"))

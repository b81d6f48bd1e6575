"""The drill's small parts: waiting, flow of writes, healing, logs, the cast of a scene."""

# ruff: noqa: ARG002 - stand-ins have the signature of what they stand in for

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from failover.drills import logs
from failover.drills.flow import Flow
from failover.drills.healing import TRIES, Healer, insist
from failover.drills.model import Event, EventType, Host
from failover.drills.observer import next_beat
from failover.drills.ports import PortError
from failover.drills.scenarios import SCENARIOS
from failover.drills.steps import PowerCut, Role, set_scene
from failover.drills.waiting import Overdue, wait_until


def test_waiting_ends_when_nothing_is_missing_and_tells_only_changes(world):
    answers = iter([("a",), ("a",), ("a", "b"), ()])
    told = []
    wait_until(lambda: next(answers), 60, "parity", clock=world.ports().clock, say=told.append)
    assert told == ["waiting for parity: a", "waiting for parity: a; b"]


def test_waiting_names_the_first_few_and_counts_the_rest(world):
    answers = iter([tuple("abcde"), tuple("abcdx"), tuple("abcd"), tuple("abc"), ()])
    told = []
    wait_until(lambda: next(answers), 60, "parity", clock=world.ports().clock, say=told.append)
    assert told == [
        "waiting for parity: a; b; c (+2 more)",
        "waiting for parity: a; b; c (+1 more)",
        "waiting for parity: a; b; c",
    ]
    with pytest.raises(Overdue, match="a; b; c; d; e"):
        wait_until(lambda: tuple("abcde"), 1, "parity", clock=world.ports().clock, say=told.append)


def test_waiting_has_a_deadline_and_says_what_was_missing(world):
    with pytest.raises(Overdue, match="parity not reached within 3 s: never"):
        wait_until(lambda: ("never",), 3, "parity", clock=world.ports().clock, say=lambda _: None)


def test_a_port_that_fails_while_waiting_is_only_missing(world):
    def silent():
        raise PortError("nobody answers")

    with pytest.raises(Overdue, match="nobody answers"):
        wait_until(silent, 1, "parity", clock=world.ports().clock, say=lambda _: None)


def write(at_s, kind="ok", marker="m"):
    return Event(t_ns=int(at_s * 1e9), type=EventType(kind), proc="feed-1", function="x", marker=marker)


def test_writes_flow_once_they_went_on_long_enough():
    flow = Flow(after_ns=0)
    assert flow.missing(0, 3) == ("no write is acknowledged",)
    flow.feed([write(1), write(1.5)])
    assert "less than 3 s" in flow.missing(int(1.6e9), 3)[0]
    flow.feed([write(2.2), write(3), write(3.9), write(4.1)])
    assert flow.missing(int(4.2e9), 3) == ()
    assert flow.since_ns == int(1e9)


def test_a_pause_starts_the_flow_anew():
    flow = Flow(after_ns=0)
    flow.feed([write(1), write(5)])
    assert flow.since_ns == int(5e9)
    assert flow.missing(int(7e9), 3) == ("no write is acknowledged",)


def test_neither_reads_nor_earlier_writes_nor_failures_are_flow():
    flow = Flow(after_ns=int(2e9))
    flow.feed([write(1), write(3, marker=None), write(3, kind="retry")])
    assert flow.since_ns is None


def test_insisting_tries_again_and_then_says_why(world):
    clock, calls = world.ports().clock, []

    def fails():
        calls.append(1)
        raise PortError("no power")

    assert insist(fails, "boot", clock) == ["boot: no power"]
    assert len(calls) == TRIES


def test_healing_goes_on_past_what_cannot_be_healed(world, estate):
    ports = world.ports()
    scene = set_scene(estate, ports.cluster.status(), ports)
    healer = Healer(ports, scene, lambda _: None)

    class Stuck(PowerCut):
        def undo(self, ports, scene):
            raise PortError("the switch is broken")

    first = PowerCut(Role.PRIMARY_HOST)
    healer.promise(first)
    first.do(ports, scene)
    healer.promise(Stuck(Role.OTHER_SITE))
    assert healer.heal() == ["healing power_cut: the switch is broken"]
    assert world.dark == set()
    assert healer.heal() == []


def test_samplers_share_one_grid_and_skip_what_they_missed():
    assert next_beat(10.0, 10.0, 0.25) == 10.25
    assert next_beat(10.0, 10.1, 0.25) == next_beat(10.0, 10.24, 0.25) == 10.25
    assert next_beat(10.0, 10.6, 0.25) == 10.75


def test_the_cast_is_found_before_anything_breaks(world, estate):
    scene = set_scene(estate, world.ports().cluster.status(), world.ports())
    assert scene[Role.PRIMARY_SITE] == "dc1"
    assert scene[Role.OTHER_SITE] == "dc2"
    assert scene[Role.ENTRY_HOST] == "dc1-app1"
    assert scene[Role.WITNESS_SITE] == "wit"
    assert scene[Role.REMOTE_COPY] == "dc2-db1"


def test_the_copy_that_commits_wait_for_is_nobody_where_replication_is_asynchronous(world, estate):
    status = world.ports().cluster.status()
    alone = replace(status, members=tuple(replace(member, synchronous=False) for member in status.members))
    assert set_scene(estate, alone, world.ports())[Role.REMOTE_COPY] == "nobody"


def test_every_scenario_heals_each_of_its_steps(world, estate):
    for scenario in SCENARIOS.values():
        ports = world.ports()
        scene = set_scene(estate, ports.cluster.status(), ports)
        steps = [*scenario.conditions, *scenario.prelude, scenario.fault]
        for step in steps:
            step.do(ports, scene)
        for step in reversed(steps):
            step.undo(ports, scene)
        assert world.broken == [], scenario.name
        world.primary = "dc1-db1"


def test_a_journals_line_is_read_whatever_its_message_is():
    line = (
        '{"__REALTIME_TIMESTAMP": "1767323045123456", "_SYSTEMD_UNIT": "patroni.service", "MESSAGE": "hello"}'
    )
    assert str(logs.parse("dc1-db1", line)) == "03:04:05.123456 dc1-db1    patroni: hello"
    raw = '{"__REALTIME_TIMESTAMP": "1", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": [104, 105, 255]}'
    assert logs.parse("h", raw).text == "hi�"
    assert logs.parse("h", "-- No entries --") is None


def test_journals_are_merged_by_time(tmp_path):
    class Two:
        def journal(self, host, since, until):
            if host == "gone":
                raise PortError("no answer")
            at = {"a": 2, "b": 1}[host]
            return [f'{{"__REALTIME_TIMESTAMP": "{at}000000", "MESSAGE": "of {host}"}}']

    hosts = [Host(name, "10.77.0.1", "dc1", frozenset()) for name in ("a", "b", "gone")]
    now = datetime.now(UTC)
    trouble = logs.collect(Two(), hosts, now, now, tmp_path / "hosts.log")
    assert trouble == ["journal of gone: no answer"]
    assert [line.split()[-1] for line in (tmp_path / "hosts.log").read_text().splitlines()] == ["b", "a"]

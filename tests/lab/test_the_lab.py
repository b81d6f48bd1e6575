"""The lab itself: every fault is seen to break what it says, and its healing to mend it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from infra.command import CommandError, run
from infra.faults import (
    Degradation,
    Direction,
    DiskFull,
    Fault,
    FaultError,
    Freeze,
    Isolation,
    LinkCut,
    Manner,
    PowerCut,
    ProcessKill,
    UnitStop,
)
from infra.hosts import Machine, wait_until_booted
from infra.lab import Lab
from infra.lab_status import status_of
from infra.network import host_namespace, inside, nft, router_namespace
from infra.paths import CHECKOUT, secrets
from infra.secrets import SecretStore
from infra.topology import LinkQuality, load_estate
from tests.lab.waiting import until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(CHECKOUT / "inventory/lab"))


@pytest.fixture(autouse=True)
def healed(lab: Lab) -> Iterator[None]:
    """Leave the lab whole: nothing broken on purpose, every host booted."""
    yield
    lab.heal()
    wait_until_booted(lab.machines, print)


def _round_trips_ms(lab: Lab, sender: str, receiver: str, count: int = 3) -> list[float]:
    """The round trips that came back; an empty list is silence."""
    address = str(lab.estate.hosts[receiver].address)
    ping = ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "2", address]
    lines = lab.machine(sender).run(ping, check=False).stdout.splitlines()
    return [float(line.split("time=")[1].split()[0]) for line in lines if "time=" in line]


def _reaches(lab: Lab, sender: str, receiver: str) -> bool:
    return bool(_round_trips_ms(lab, sender, receiver))


def _comes_to_reach(lab: Lab, sender: str, receiver: str) -> list[float]:
    """The first round trips (ms) that come back."""

    def round_trips() -> list[float]:
        trips = _round_trips_ms(lab, sender, receiver)
        assert trips, f"{sender} does not reach {receiver}"
        return trips

    return until(round_trips)


def _operator_reaches(lab: Lab, host: str) -> bool:
    ssh = ["ssh", "-F", str(lab.ssh_config), "-o", "ConnectTimeout=3", host, "true"]
    try:
        return run(ssh, check=False, timeout=15).returncode == 0
    except CommandError:  # connected, and then silent
        return False


def _comes_back(lab: Lab, host: str) -> None:
    def back() -> None:
        assert _operator_reaches(lab, host), f"the operator does not reach {host}"

    until(back, within_s=120)


def test_a_link_has_the_delay_that_the_inventory_gives_it(lab: Lab) -> None:
    """Wirefilter's timer ticks in whole milliseconds: each way may be up to one early."""
    link = lab.estate.link("dc1", "wit")
    assert min(_comes_to_reach(lab, "dc1-app1", "wit-zk1")) >= 2 * (link.quality.delay_ms - 1)


@pytest.mark.parametrize("manner", list(Manner))
def test_a_cut_link_is_cut_for_both_and_only_for_them(lab: Lab, manner: Manner) -> None:
    lab.inject([LinkCut(("dc1", "wit"), manner=manner)])
    assert not _reaches(lab, "dc1-app1", "wit-zk1")
    assert not _reaches(lab, "wit-zk1", "dc1-app1")
    _comes_to_reach(lab, "dc2-app1", "wit-zk1")
    lab.heal()
    _comes_to_reach(lab, "dc1-app1", "wit-zk1")


def _arriving_pings(lab: Lab, sender: str, receiver: str) -> int:
    """How many echo requests of three reach the receiver, whether or not an answer finds its way back.

    On a slow machine some arrive after ping has ended: whoever expects them asks again.
    """
    namespace = host_namespace(receiver)
    source = lab.estate.hosts[sender].address
    rule = f"ip saddr {source} icmp type echo-request counter"
    nft(
        namespace,
        f"table inet t_count {{\n chain c {{\n type filter hook input priority -400;\n {rule}\n }}\n }}",
    )
    try:
        _round_trips_ms(lab, sender, receiver)
        counted = run(inside(namespace, ["nft", "list", "table", "inet", "t_count"])).stdout
    finally:
        nft(namespace, "delete table inet t_count")
    return int(counted.split("packets ")[1].split()[0])


def test_a_one_way_cut_lets_the_other_way_pass(lab: Lab) -> None:
    def all_arrive(sender: str, receiver: str) -> None:
        assert _arriving_pings(lab, sender, receiver) == 3

    lab.inject([LinkCut(("dc1", "wit"), Direction.FORWARD)])
    assert _arriving_pings(lab, "dc1-app1", "wit-zk1") == 0
    until(lambda: all_arrive("wit-zk1", "dc1-app1"))
    lab.heal()
    until(lambda: all_arrive("dc1-app1", "wit-zk1"))


def test_an_isolated_host_answers_its_operator_alone(lab: Lab) -> None:
    lab.inject([Isolation("dc2-app2")])
    assert not _reaches(lab, "dc2-app1", "dc2-app2")
    _comes_back(lab, "dc2-app2")
    lab.heal()
    _comes_to_reach(lab, "dc2-app1", "dc2-app2")


def test_a_frozen_host_answers_nobody_and_runs_on_where_it_stood(lab: Lab) -> None:
    before = lab.machine("dc2-app2").init_pid
    lab.inject([Freeze(("dc2-app2",))])
    assert not _reaches(lab, "dc2-app1", "dc2-app2")
    assert not _operator_reaches(lab, "dc2-app2")
    lab.heal()
    _comes_back(lab, "dc2-app2")
    assert lab.machine("dc2-app2").init_pid == before


def test_a_power_cut_ends_everything_and_healing_boots_the_same_host(lab: Lab) -> None:
    machine = lab.machine("wit-zk1")
    machine.run(["sh", "-c", "echo kept > /root/kept"])
    before = machine.init_pid
    lab.inject([PowerCut(("wit-zk1",))])
    assert not machine.is_on
    assert not _operator_reaches(lab, "wit-zk1")
    lab.heal()
    _comes_back(lab, "wit-zk1")
    assert machine.init_pid != before
    assert machine.run(["cat", "/root/kept"]).stdout == "kept\n"


def test_a_degraded_link_is_slow_and_gets_its_own_quality_back(lab: Lab) -> None:
    def one_is_quick() -> None:
        assert min(_comes_to_reach(lab, "dc1-app1", "wit-zk1")) < 118

    lab.inject([Degradation(("dc1", "wit"), LinkQuality(delay_ms=60))])
    assert min(_comes_to_reach(lab, "dc1-app1", "wit-zk1")) >= 118
    shown = {link.name: link for link in status_of(lab).links}["dc1-wit"]
    assert (shown.live, shown.nominal) == (LinkQuality(delay_ms=60), lab.estate.link("dc1", "wit").quality)
    lab.heal()
    assert all(link.live == link.nominal for link in status_of(lab).links)
    until(one_is_quick)


def test_a_lossy_link_loses(lab: Lab) -> None:
    lab.inject([Degradation(("dc1", "wit"), LinkQuality(loss_percent=90))])
    assert len(_round_trips_ms(lab, "dc1-app1", "wit-zk1", count=10)) < 10


def test_a_full_disk_has_not_a_block_left(lab: Lab) -> None:
    """PostgreSQL may give some back in the moment before the probe: a segment, its temporary files."""
    machine = lab.machine("dc2-db2")
    write = ["dd", "if=/dev/zero", "of=/var/lib/postgresql/.probe", "bs=8k", "count=8192", "conv=fsync"]
    lab.inject([DiskFull("dc2-db2")])
    refused = machine.run(write, check=False)
    assert "No space left on device" in refused.stderr
    lab.heal()
    assert machine.run([*write, "status=none"]).returncode == 0
    machine.run(["rm", "/var/lib/postgresql/.probe"])


def test_a_stopped_and_a_killed_unit_run_again_after_healing(lab: Lab) -> None:
    machine = lab.machine("wit-zk1")
    lab.inject([UnitStop("wit-zk1", "ssh.service")])
    assert not _operator_reaches(lab, "wit-zk1")
    lab.heal()
    _comes_back(lab, "wit-zk1")
    pid = _main_pid(machine)
    lab.inject([ProcessKill("wit-zk1", "ssh.service")])
    lab.heal()
    _comes_back(lab, "wit-zk1")
    assert _main_pid(machine) != pid


def test_a_kill_by_name_hits_nothing_outside_the_unit(lab: Lab) -> None:
    """Another program of the same name, in a unit of its own and older, must live."""
    machine = lab.machine("wit-zk1")

    def the_victim_alone_is_dead() -> None:
        """As systemd knows it, a moment after the kernel."""
        asked = machine.run(["systemctl", "is-active", "t-bystander", "t-victim"], check=False)
        assert asked.stdout.split() == ["active", "failed"]

    for unit in ("t-bystander", "t-victim"):
        # exec: it returns when the process bears the program's name.
        machine.run(["systemd-run", "--quiet", "--property=Type=exec", f"--unit={unit}", "sleep", "600"])
    try:
        lab.inject([ProcessKill("wit-zk1", "t-victim", program="sleep")])
        until(the_victim_alone_is_dead)
        with pytest.raises(FaultError, match="has no process called sleep"):
            lab.inject([ProcessKill("wit-zk1", "ssh.service", program="sleep")])
        assert lab.book.read() == (ProcessKill("wit-zk1", "t-victim", program="sleep"),)
    finally:
        machine.run(["systemctl", "stop", "t-bystander", "t-victim"], check=False)
        machine.run(["systemctl", "reset-failed", "t-victim"], check=False)


def _main_pid(machine: Machine) -> str:
    return machine.run(["systemctl", "show", "--value", "--property=MainPID", "ssh.service"]).stdout.strip()


def test_up_mends_what_a_killed_drill_left_broken(lab: Lab) -> None:
    lab.inject([PowerCut(("wit-zk1",)), LinkCut(("client", "wit"))])
    store = SecretStore(secrets(lab.estate.inventory))
    assert any("undo" in step for step in lab.describe_up())
    lab.up(store.ssh_public_key, store.ssh_key, print)
    assert status_of(lab).faults == ()
    _comes_back(lab, "wit-zk1")


def test_a_host_without_power_is_silent_and_refuses_nothing(lab: Lab) -> None:
    """Nobody tells its hardware address either: once that is forgotten, its own router says so."""
    lab.inject([PowerCut(("wit-zk1",))])
    with pytest.raises(OSError, match=r"timed out|No route to host") as told:
        socket.create_connection((str(lab.estate.hosts["wit-zk1"].address), 22), timeout=2).close()
    assert not isinstance(told.value, ConnectionError)


def test_one_host_of_a_site_without_power_can_be_booted_alone(lab: Lab) -> None:
    lab.inject([PowerCut(("wit-zk1", "dc2-app2"))])
    lab.heal([PowerCut(("wit-zk1",))])
    _comes_back(lab, "wit-zk1")
    assert not lab.machine("dc2-app2").is_on
    lab.heal()
    _comes_back(lab, "dc2-app2")


def test_heal_mends_what_a_killed_command_left_broken(lab: Lab) -> None:
    faults: list[Fault] = [LinkCut(("client", "wit")), Isolation("dc2-app2")]
    lab.inject(faults)
    another = Lab.of(lab.estate)
    assert set(another.heal()) == set(faults)
    assert status_of(another).faults == ()
    _comes_to_reach(lab, "dc2-app1", "dc2-app2")


def test_nothing_of_the_lab_can_leave_through_the_uplink(lab: Lab) -> None:
    """An address of the supernet that no host has is unreachable here, and in every router and host."""
    nowhere = str(lab.estate.supernet[-2])
    here = run(["ip", "route", "get", nowhere], check=False)
    assert here.returncode != 0 or "unreachable" in here.stdout
    for site in lab.estate.sites:
        routed = run(inside(router_namespace(site), ["ip", "route", "get", nowhere]), check=False)
        assert "unreachable" in routed.stderr

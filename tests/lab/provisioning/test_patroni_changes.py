"""What our starter changes in Patroni (decision 0207), asked of each host's own Patroni."""

from __future__ import annotations

import pytest

from tests.lab.provisioning.conftest import hosts_of
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

DATABASES, ENSEMBLE = hosts_of("postgresql"), hosts_of("zookeeper")


@pytest.mark.parametrize("host", DATABASES)
def test_the_kernel_tells_patroni_when_its_postmaster_ends(on, host):
    """Patroni itself looks only once a loop."""

    def watched() -> None:
        patroni = on(host).check_output("systemctl show --property MainPID --value patroni")
        postmaster = on(host).check_output("cat /var/lib/postgresql/*/*/postmaster.pid | head -n 1")
        found = on(host).check_output(f"grep -sh ^Pid: /proc/{patroni}/fdinfo/*")
        assert postmaster in found.replace("Pid:", "").split()

    until(watched)


def test_patroni_looks_at_once_when_a_walsender_ends_that_it_saw(told_by_patroni):
    """Once for each; not while it stops or starts PostgreSQL itself, as all of them end then."""
    script = (
        "import subprocess, time\n"
        "from patroni.postgresql import Postgresql\n"
        "Postgresql.pg_stat_replication = lambda self: [{'pid': sender.pid, 'application_name': 'one'}]\n"
        "watchman, woken = waking.Watchman(), []\n"
        "waking.introduce = lambda acquaintance: None; waking.tell(watchman)\n"
        "server = object.__new__(Postgresql)\n"
        "for busy in (False, True):\n"
        "    executor = types.SimpleNamespace(busy=busy)\n"
        "    ha = types.SimpleNamespace(wakeup=lambda: woken.append(1), _async_executor=executor)\n"
        "    watchman.knows(ha); sender = subprocess.Popen(['sleep', '9'])\n"
        "    for _ in range(2): print(server.pg_stat_replication()[0]['application_name'])\n"
        "    before = len(woken); sender.kill(); sender.wait(); time.sleep(0.3)\n"
        "    print(before, len(woken))\n"
    )
    assert told_by_patroni(script) == ["one", "one", "0 1", "one", "one", "1 1"]


def test_patroni_chooses_no_standby_that_is_not_on_its_timeline(told_by_patroni):
    """The query that this very Patroni puts together, asked without a server."""
    script = (
        "from patroni import global_config\n"
        "type(global_config).is_synchronous_mode = True\n"
        "server = types.SimpleNamespace(wal_name='wal', lsn_name='lsn', wal_flush='', role='primary',"
        " TL_LSN='', _major_version=170000, _should_query_slots=False, can_advance_slots=False,"
        " slots_handler=types.SimpleNamespace(pg_replication_slots_query=lambda _: ''))\n"
        "def promoted(): server.timeline_began = 0x1000028\n"
        "for change in (lambda: None, believing.believe_only_what_was_sent, promoted):\n"
        "    change(); print(believing.Postgresql.cluster_info_query.fget(server))\n"
    )
    shipped, ours, promoted = told_by_patroni(script)

    sent = "WHERE w.state = 'streaming' AND w.flush_lsn <= w.sent_lsn"
    assert "WHERE w.state = 'streaming')" in shipped
    assert f"{sent})" in ours
    assert f"{sent} AND w.flush_lsn > '0/0'::pg_catalog.pg_lsn + {0x1000028})" in promoted


def test_a_promoted_server_knows_where_its_timeline_began(told_by_patroni):
    """From the newest history that it has; the first timeline has none."""
    script = (
        "import pathlib, tempfile\n"
        "server = object.__new__(handing_over.Postgresql)\n"
        "server._data_dir, server._major_version, server.name = tempfile.mkdtemp(), 170000, 'me'\n"
        "wal = pathlib.Path(server.wal_dir); wal.mkdir(); print(handing_over.began_at(server))\n"
        "(wal / '00000009.history').write_text('8\\t0/2000\\tx\\n')\n"
        "(wal / '0000000A.history').write_text('8\\t0/2000\\tx\\n\\n9\\t1/3000\\tno target\\n')\n"
        "print(handing_over.began_at(server))\n"
    )
    assert told_by_patroni(script) == ["None", str((1 << 32) + 0x3000)]


def test_patroni_takes_a_postmaster_that_has_ended_for_one_that_is_gone(told_by_patroni):
    """Running; ended and not yet reaped, which Patroni takes for running; unknown. /sync is left alone."""
    script = (
        "import os, subprocess\n"
        "from patroni.postgresql.postmaster import PostmasterProcess\n"
        "asked = []\n"
        "server = believing.Postgresql\n"
        "believing.Ha.process_sync_replication = lambda ha: asked.append(ha)\n"
        "shipped = server.is_running\n"
        "believing.take_the_dead_for_dead()\n"
        "believing.keep_synchronous_ones_of_the_dead()\n"
        "ended = subprocess.Popen(['true']); os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)\n"
        "for found in (os.getpid(), ended.pid, None):\n"
        "    one = object.__new__(server)\n"
        "    one._postmaster_proc = found and PostmasterProcess(found)\n"
        "    one._data_dir, one.slots_handler = '/nowhere', types.SimpleNamespace(schedule=lambda: None)\n"
        "    print(shipped(one) is not None, one.is_running() is not None)\n"
        "    believing.Ha.process_sync_replication(types.SimpleNamespace(state_handler=one))\n"
        "    print(len(asked))\n"
    )
    assert told_by_patroni(script) == ["True True", "1", "True False", "1", "False False", "1"]


def test_a_primary_that_is_to_hand_over_does_so_before_it_tells_how_far_it_wrote(told_by_patroni):
    """Not by an order for another, nor by one for later; and never where it told nothing anyway."""
    script = (
        "from patroni.dcs import Failover\n"
        "from patroni.ha import Ha\n"
        "Ha.update_lock = lambda ha, update_status=False: update_status\n"
        "handing_over.hand_over_before_telling()\n"
        "me = types.SimpleNamespace(name='me')\n"
        "for order in (None, Failover(1, 'me', 'other', None), Failover(1, 'other', 'me', None),\n"
        "              Failover(1, 'me', 'other', '2999-01-01T00:00:00+00:00')):\n"
        "    ha = types.SimpleNamespace(state_handler=me, cluster=types.SimpleNamespace(failover=order))\n"
        "    print(Ha.update_lock(ha, True), Ha.update_lock(ha))\n"
    )
    assert told_by_patroni(script) == ["True False", "False False", "True False", "True False"]


def test_a_new_primary_promotes_before_it_does_anything_else(told_by_patroni):
    """Patroni's thread that promotes waits for the end of the loop. Any other loop does all as ever."""
    script = (
        "from patroni.exceptions import DCSError\n"
        "from patroni.ha import Ha\n"
        "done, executor = [], types.SimpleNamespace(scheduled_action=None)\n"
        "class Dcs:\n"
        "    def manual_failover(self, leader, member): done.append('cleaned up')\n"
        "class One:\n"
        "    dcs, _async_executor = Dcs(), executor\n"
        "    def load_cluster_from_dcs(self): done.append('looked'); raise DCSError('away')\n"
        "    def touch_member(self): done.append('touched'); return True\n"
        "    def _sync_replication_slots(self, failed): done.append('slots'); return ['copied']\n"
        "def process(ha):\n"
        "    ha.dcs.manual_failover('', '')\n"
        "    if wanted: ha.load_cluster_from_dcs()\n"
        "    executor.scheduled_action = wanted\n"
        "def cycle(ha):\n"
        "    Ha.process_unhealthy_cluster(ha); copied = ha._sync_replication_slots(False)\n"
        "    ha.touch_member(); done.append('promoted' if wanted else 'ended'); return copied\n"
        "Ha.process_unhealthy_cluster, Ha.run_cycle = process, cycle\n"
        "promoting.promote_before_anything_else()\n"
        "for wanted in ('promote', None):\n"
        "    done.clear(); print(Ha.run_cycle(One()), done)\n"
    )
    assert told_by_patroni(script) == [
        "[] ['promoted', 'cleaned up', 'looked', 'slots', 'touched']",
        "['copied'] ['cleaned up', 'slots', 'touched', 'ended']",
    ]


def test_patroni_sleeps_no_longer_than_it_needs(told_by_patroni):
    """Until the lock is taken, until standbys are synchronous or gone; elsewhere for as long as it wants."""
    script = (
        "import time\n"
        "from patroni import ha as module\n"
        "from patroni.ha import Ha\n"
        "seen = []\n"
        "def there(times):\n"
        "    seen.append(1); return len(seen) >= times\n"
        "Ha.process_unhealthy_cluster = Ha.process_sync_replication = lambda ha: module.time.sleep(30)\n"
        "handing_over.sleep_no_longer_than_needed()\n"
        "client = types.SimpleNamespace(exists=lambda path: path == '/leader' and there(3) or None)\n"
        "found = types.SimpleNamespace(active={'a', 'b'}, sync={'a'}, sync_confirmed=set())\n"
        "senders = [{'application_name': 'A'}, {'application_name': 'b'}]\n"
        "def turn(): found.sync_confirmed = {'a'}\n"
        "def look(cluster):\n"
        "    if there(3): turn()\n"
        "    return found\n"
        "ha = types.SimpleNamespace(cluster=None,\n"
        "    dcs=types.SimpleNamespace(_client=client, leader_path='/leader'),\n"
        "    state_handler=types.SimpleNamespace(reset_cluster_info_state=lambda _: None,\n"
        "        pg_stat_replication=lambda: senders,\n"
        "        sync_handler=types.SimpleNamespace(current_state=look)))\n"
        "def both():\n"
        "    global turn\n"
        "    yield Ha.process_unhealthy_cluster\n"
        "    yield Ha.process_sync_replication\n"
        "    found.sync_confirmed = set(); turn = lambda: senders.pop(0)\n"
        "    yield Ha.process_sync_replication\n"
        "for napping in both():\n"
        "    seen.clear(); began = time.monotonic(); napping(ha)\n"
        "    print(len(seen), time.monotonic() - began < 15)\n"
        "began = time.monotonic(); module.time.sleep(0.5); print(time.monotonic() - began >= 0.5)\n"
    )
    assert told_by_patroni(script) == ["3 True", "3 True", "3 True", "True"]


def test_a_new_primary_without_a_synchronous_standby_looks_again_soon(told_by_patroni):
    """Not one that has one, and not an old one."""
    script = (
        "import threading, time\n"
        "handing_over.LOOKS_FOR_STANDBYS_EVERY_S = 0.1\n"
        "process = handing_over.looking_again_soon(lambda ha: None)\n"
        "for promoted_at, synchronous in ((time.monotonic(), ''), (time.monotonic(), 'a'), (0.0, '')):\n"
        "    woken, found = threading.Event(), types.SimpleNamespace(sync=synchronous)\n"
        "    handler = types.SimpleNamespace(current_state=lambda cluster: found)\n"
        "    server = types.SimpleNamespace(promoted_at=promoted_at, sync_handler=handler)\n"
        "    process(types.SimpleNamespace(cluster=None, state_handler=server, wakeup=woken.set))\n"
        "    print(woken.wait(2))\n"
    )
    assert told_by_patroni(script) == ["True", "False", "False"]


def test_a_primary_that_is_at_zookeeper_again_says_so_once_and_is_believed(told_by_patroni):
    """Not while only its own picture has it as the leader, and not by one that is a primary itself."""
    script = (
        "import time\n"
        "from patroni.dcs import Leader, RemoteMember\n"
        "from patroni.ha import Failsafe, Ha\n"
        "dcs = types.SimpleNamespace(ttl=20, failsafe={'me': 'https://me/', 'other': 'https://other/'})\n"
        "api = types.SimpleNamespace(connection_string='https://me/')\n"
        "server = types.SimpleNamespace(name='me', connection_string='postgres://me/')\n"
        "def made(**more):\n"
        "    ha = object.__new__(Ha); ha._failsafe = Failsafe(dcs); ha.dcs = dcs; ha.state_handler = server\n"
        "    ha.patroni = types.SimpleNamespace(api=api); ha.is_leader = lambda: True\n"
        "    ha.has_lock = lambda info: True; return ha\n"
        "def cycle(ha):\n"
        "    at, session = ha.course.pop(0); ha._failsafe.set_is_active(at)\n"
        "    ha.cluster = types.SimpleNamespace(leader=Leader('', session, RemoteMember('me', {})))\n"
        "said = []\n"
        "class Now:\n"
        "    def submit(self, call, word, member): said.append((member.name, member.data['api_url'], word))\n"
        "believing.thread_pool.get_executor = Now\n"
        "Ha._run_cycle = cycle\n"
        "believing.end_failsafe_with_the_outage()\n"
        "primary = made(); primary.course = [(time.time(), 7), (0, ''), (0, 7), (0, 7)]\n"
        "for _ in range(4): primary._run_cycle(); print(len(said))\n"
        "print(said[0][:2])\n"
        "member = made(); member._last_wal_lsn = 5\n"
        "for role in ('replica', 'primary'):\n"
        "    server.state, server.role = 'running', role\n"
        "    word = {name: value for name, value in said[0][2].items() if name != 'over'}\n"
        "    member._failsafe.update(word)\n"
        "    print(member.failsafe_is_active(), member._failsafe.leader.name)\n"
        "    print(member.update_failsafe(said[0][2]), member.failsafe_is_active())\n"
    )
    assert told_by_patroni(script) == [
        *("0", "0", "1", "1"),
        "('other', 'https://other/')",
        *("True me", "5 False"),
        *("True me", "Running as a leader True"),
    ]


def test_an_outage_of_zookeeper_is_forgotten_as_soon_as_it_is_over(provisioned, on):
    """By itself Patroni goes on believing for a lease: nobody would take over from a primary lost in it."""

    def asked(path: str) -> dict[str, dict[str, object]]:
        with provisioned.client() as client:
            urls = {host: f"https://{provisioned.address(host)}:8008/{path}" for host in DATABASES}
            return {host: client.get(url).json() for host, url in urls.items()}

    def in_failsafe(*roles: str) -> set[str]:
        members = asked("patroni")
        return {
            host
            for host, member in members.items()
            if member["role"] in roles and member.get("failsafe_mode_is_active")
        }

    def everybody() -> None:
        assert in_failsafe("primary", "replica") == set(DATABASES)

    def not_the_primary() -> None:
        assert not in_failsafe("primary")

    def nobody() -> None:
        assert not in_failsafe("primary", "replica")

    lease_s = float(str(asked("config")[DATABASES[0]]["ttl"]))
    majority = ENSEMBLE[: len(ENSEMBLE) // 2 + 1]
    until(nobody)
    try:
        for server in majority:
            on(server).check_output("systemctl stop zookeeper")
        until(everybody)
    finally:
        for server in majority:
            on(server).check_output("systemctl start zookeeper")
    until(not_the_primary)
    until(nobody, within_s=lease_s / 2)

"""What Patroni does for the one that shall take over (decisions 0207, 0209), asked of each host's own."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.lab

ESTATE_OF_ONE = (
    "import json, threading, time\n"
    "from kazoo.protocol.states import EventType, WatchedEvent\n"
    "watching, woken, done, answers, looked = {}, [], [], [], []\n"
    "expecting.DataWatch = lambda client, path, told: watching.update({path: told})\n"
    "expecting.hindrance_of = lambda ha, candidate: hindrance\n"
    "hindrance, busy = None, None\n"
    "def run(action, method, arguments): done.append(action); return busy\n"
    "def member(name):\n"
    "    client = types.SimpleNamespace(exists_async=lambda path, watch: looked.append(watch),\n"
    "        set=lambda path, data, version: answers.append((json.loads(data), version)))\n"
    "    ha = types.SimpleNamespace(wakeup=lambda: woken.append(1),\n"
    "        dcs=types.SimpleNamespace(_client=client, failover_path='/failover', leader_path='/leader'),\n"
    "        state_handler=types.SimpleNamespace(name=name, checkpoint=lambda: done.append('checkpoint')),\n"
    "        _async_executor=types.SimpleNamespace(try_run_async=run))\n"
    "    messenger = expecting.Messenger(); messenger.knows(ha); return messenger\n"
    "def announced(**word):\n"
    "    said = {'operation': 'op', 'leader': 'old', 'member': 'new'} | word\n"
    "    watching[expecting.ANNOUNCED](json.dumps(said).encode(), types.SimpleNamespace(version=7))\n"
    "    [each.join() for each in threading.enumerate() if each.name == 'prepare']\n"
    "def ordered(**order): watching['/failover'](json.dumps(order).encode(), None)\n"
    "def held(messenger):\n"
    "    began = time.monotonic(); messenger.hold_still(); return time.monotonic() - began > 1\n"
)


def test_an_order_that_was_announced_is_followed_at_once_and_any_other_by_the_loop(told_by_patroni):
    """One for others by nobody; one to another candidate, at a wrong moment or refused, by the loop."""
    script = ESTATE_OF_ONE + (
        "member('old')\n"
        "for order in ({}, {'leader': 'other', 'member': 'old'}, {'leader': 'old', 'member': 'new'}):\n"
        "    ordered(**order); print(len(woken), done)\n"
        "announced(); print(answers)\n"
        "ordered(leader='old', member='other'); print(len(woken), done)\n"
        "announced(); ordered(leader='old', member='new'); print(len(woken), done[2:])\n"
        "busy = 'is at something else'; announced(); ordered(leader='old', member='new'); print(len(woken))\n"
        "hindrance, busy, done = 'new lags', None, []; announced(); print(answers[-1][0]['hindrance'])\n"
        "ordered(leader='old', member='new'); print(len(woken), done)\n"
    )
    prepared = {"operation": "op", "leader": "old", "member": "new", "hindrance": None}
    assert told_by_patroni(script) == [
        *("0 []", "0 []", "1 []"),
        str([(prepared, 7)]),
        "2 ['checkpoint']",
        "2 ['switchover: demote']",
        "3",
        *("new lags", "4 []"),
    ]


def test_every_loop_holds_still_for_an_announced_order_until_it_is_its_turn(told_by_patroni):
    """The candidate's until the key is gone, standbys' until it is back, the old one's if it can't follow."""
    script = ESTATE_OF_ONE + (
        "def event(kind): looked.pop()(WatchedEvent(kind, 'CONNECTED', '/leader'))\n"
        "expecting.STILL_S = 1.5\n"
        "new = member('new'); print(held(new)); announced(); print(held(new), answers)\n"
        "announced(); event(EventType.CHANGED); print(held(new))\n"
        "announced(); event(EventType.DELETED); print(held(new))\n"
        "other = member('other')\n"
        "announced(); event(EventType.DELETED); print(held(other))\n"
        "announced(); event(EventType.DELETED); event(EventType.CREATED); print(held(other))\n"
        "announced(); event(EventType.NONE); print(held(other))\n"
        "announced(); announced(hindrance='new lags'); print(held(other))\n"
        "old = member('old'); busy = 'is at something else'\n"
        "announced(); ordered(leader='old', member='new'); print(held(old))\n"
        "announced(); event(EventType.DELETED); event(EventType.CREATED); print(held(old))\n"
    )
    expected = ["False", "True []", "True", "False", "True", "False", "False", "False", "False", "True"]
    assert told_by_patroni(script) == expected


def test_a_loop_that_held_still_does_not_make_up_for_those_that_it_missed(told_by_patroni):
    script = (
        "class Ha:\n"
        "    def __init__(self, patroni): self.patroni = patroni\n"
        "    def run_cycle(self): return self.patroni.next_run > 0\n"
        "expecting.Ha = Ha\n"
        "messenger = types.SimpleNamespace(knows=lambda ha: None, hold_still=lambda: still)\n"
        "expecting.tell(messenger)\n"
        "for still in (True, False): print(Ha(types.SimpleNamespace(next_run=0.0)).run_cycle())\n"
    )
    assert told_by_patroni(script) == ["True", "False"]


RELEASED = "('/failover', 3), ('/sync', 9), 'delete /leader'"
DEMOTED = (
    "import os, threading\n"
    "asked, state = [], 'shut down'\n"
    "class Server:\n"
    "    data_dir = '/nowhere'\n"
    "    def checkpoint(self, **_): asked.append('checkpoint')\n"
    "    def is_running(self): return postmaster\n"
    "    def controldata(self): return {'Database cluster state': state}\n"
    "class Rewind:\n"
    "    def get_archive_command(self): asked.append('archive command')\n"
    "class Transaction:\n"
    "    def check(self, path, version): asked.append((path, version))\n"
    "    def delete(self, path): asked.append('delete ' + path)\n"
    "    def commit_async(self): return Answer(results)\n"
    "class Answer:\n"
    "    def __init__(self, value): self.value = value\n"
    "    def get(self, timeout): return self.value\n"
    "client = types.SimpleNamespace(client_id=(7, b''), transaction=Transaction,\n"
    "    get_async=lambda path: Answer((b'', types.SimpleNamespace(ephemeralOwner=owner, version=9))))\n"
    "class Ha:\n"
    "    state_handler, _rewind = Server(), Rewind()\n"
    "    dcs = types.SimpleNamespace(\n"
    "        _client=client, failover_path='/failover', leader_path='/leader', sync_path='/sync')\n"
    "    def release_leader_key_voluntarily(self, lsn): asked.append('as Patroni does')\n"
    "    def demote(self, mode):\n"
    "        self._rewind.get_archive_command(); self.state_handler.checkpoint(timeout=1)\n"
    "        [each.join() for each in threading.enumerate() if each.name == 'release']\n"
    "        self.release_leader_key_voluntarily(5); return mode\n"
    "ended = os.posix_spawn('/bin/true', ['true'], {}); os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)\n"
    "postmaster, owner, results = types.SimpleNamespace(pid=ended), 7, [True, True]\n"
)


def test_a_demotion_that_was_announced_does_not_prepare_again_and_releases_the_key_once(told_by_patroni):
    """And one that was not announced is as it was."""
    script = DEMOTED + (
        "ha = Ha(); print(expecting.hand_over(ha, 3), asked)\n"
        "asked.clear(); ha.demote('graceful'); print(asked)\n"
    )
    assert told_by_patroni(script) == [
        f"graceful [{RELEASED}]",
        "['archive command', 'checkpoint', 'as Patroni does']",
    ]


@pytest.mark.parametrize(
    ("so", "asked"),
    [
        ("state = 'in production'", "['as Patroni does']"),
        ("owner = 8", "['as Patroni does']"),
        ("results = [Exception(), Exception()]", f"[{RELEASED}, 'as Patroni does']"),
        ("postmaster = None", "['as Patroni does']"),
    ],
)
def test_a_key_that_cannot_be_released_at_once_is_released_as_patroni_does_it(told_by_patroni, so, asked):
    """After a crash, for another's key, when somebody else was faster, and with nothing to wait for."""
    assert told_by_patroni(f"{DEMOTED}{so}\nexpecting.hand_over(Ha(), 3); print(asked)\n") == [asked]


STOPPING = (
    "import pathlib, struct, subprocess, tempfile, time\n"
    "import psutil\n"
    "from patroni_changes.last_word import has_said_all\n"
    "data = pathlib.Path(tempfile.mkdtemp()); (data / 'global').mkdir()\n"
    "def control(state): (data / 'global/pg_control').write_bytes(struct.pack('=QIIi', 7, 1700, 2, state))\n"
    "def postmaster(child):\n"
    "    script = f'(exec -a \"postgres: main: {child} 10.0.0.2(4) x\" sleep 9) & sleep 9'\n"
    "    made = subprocess.Popen(['bash', '-c', script], start_new_session=True); time.sleep(0.3)\n"
    "    return psutil.Process(made.pid)\n"
    "def said(process): return has_said_all(process, str(data), 0.3)\n"
    "def end(process): [each.kill() for each in process.children()]; process.kill(); process.wait()\n"
)


def test_a_primary_has_said_all_when_it_is_shut_down_and_sends_no_more(told_by_patroni):
    """In production, stopping, shut down; without a control file; with a standby that has not confirmed."""
    script = STOPPING + (
        "alone, sending = postmaster('client'), postmaster('walsender repl')\n"
        "print(said(alone))\n"
        "for state in (6, 3, 1): control(state); print(said(alone), said(sending))\n"
        "[each.kill() for each in sending.children() if 'walsender' in each.cmdline()[0]]\n"
        "print(said(sending)); end(sending)\n"
        "control(3); end(alone); print(said(alone))\n"
    )
    assert told_by_patroni(script) == ["False", "False False", "False False", "True False", "True", "True"]


def test_a_primary_says_why_it_must_not_hand_over(told_by_patroni):
    script = (
        "from patroni.dcs import Member\n"
        "found = types.SimpleNamespace(failover_limitation=lambda: limitation, wal_position=5)\n"
        "ha = types.SimpleNamespace(fetch_node_status=lambda member: found, is_lagging=lambda at: lags,\n"
        "    is_leader=lambda: True, is_paused=lambda: False,\n"
        "    cluster=types.SimpleNamespace(get_member=lambda name, **_: known.get(name)))\n"
        "known = {'new': Member(0, 'new', '', {})}\n"
        "for limitation, lags in ((None, False), ('not reachable', False), (None, True)):\n"
        "    print(expecting.hindrance_of(ha, 'new'))\n"
        "print(expecting.hindrance_of(ha, 'unknown')); lags = False\n"
        "ha.is_leader = lambda: False; print(expecting.hindrance_of(ha, 'new'))\n"
    )
    assert told_by_patroni(script) == [
        *("None", "new is not reachable", "new lags"),
        "unknown is not known here",
        "not the leader, or paused",
    ]


CRASHED = (
    "from kazoo.exceptions import BadVersionError, NoNodeError\n"
    "from patroni.ha import Ha\n"
    "asked, session, results = [], 7, [[True] * 3]\n"
    "def status(name, hindrance=None, lsn=5, timeline=3):\n"
    "    return types.SimpleNamespace(member=types.SimpleNamespace(name=name), wal_position=lsn,\n"
    "        timeline=timeline, failover_limitation=lambda: hindrance)\n"
    "members = [status('a', 'not reachable'), status('b', lsn=0), status('c', timeline=2), status('d')]\n"
    "class Answer:\n"
    "    def __init__(self, value): self.value = value\n"
    "    def get(self, timeout): return self.value\n"
    "class Transaction:\n"
    "    def __init__(self): self.steps = []\n"
    "    def check(self, *what): self.steps.append(('check', *what))\n"
    "    def set_data(self, *what): self.steps.append(('set', *what))\n"
    "    def create(self, *what): self.steps.append(('create', *what))\n"
    "    def delete(self, *what): self.steps.append(('delete', *what))\n"
    "    def commit_async(self): asked.append(self.steps); return Answer(results.pop(0))\n"
    "def ask(ha, each): asked.append(each.member.name); return each\n"
    "Ha.fetch_node_status, Ha.is_lagging = ask, lambda ha, lsn: lsn < 5\n"
    "Ha.check_timeline, Ha.quorum_commit_mode_is_active = lambda ha: True, lambda ha: False\n"
    "Ha.release_leader_key_voluntarily = lambda ha, *lsn: asked.append('as Patroni does')\n"
    "Ha.touch_member = lambda ha: asked.append('touched')\n"
    "class Rewind:\n"
    "    def get_archive_command(self): asked.append('archive command')\n"
    "def crashed():\n"
    "    ha = object.__new__(Ha); ha._rewind = Rewind()\n"
    "    client = types.SimpleNamespace(client_id=(7, b''), transaction=Transaction)\n"
    "    ha.dcs = types.SimpleNamespace(_client=client, sync_path='/sync', failover_path='/failover',\n"
    "        leader_path='/leader')\n"
    "    ha.state_handler = types.SimpleNamespace(name='me')\n"
    "    ha.cluster = types.SimpleNamespace(timeline=3, sync=types.SimpleNamespace(version=9),\n"
    "        leader=types.SimpleNamespace(session=session))\n"
    "    return ha\n"
    "def demote(ha, mode): ha._rewind.get_archive_command(); ha.release_leader_key_voluntarily(5)\n"
    "def recover(ha): found = ha.fetch_nodes_statuses(members); ha.demote('immediate'); return found\n"
    "Ha.demote, Ha.recover = demote, recover\n"
    "from concurrent.futures import ThreadPoolExecutor\n"
    "giving_up.thread_pool.get_executor = lambda: ThreadPoolExecutor(4)\n"
    "giving_up.name_a_successor()\n"
)
NAMED = 'b\'{"leader":"me","member":"d"}\''


def released(put: str) -> str:
    """The transaction that names d, as the script prints it."""
    return f"[('check', '/sync', 9), ('{put}', '/failover', {NAMED}), ('delete', '/leader')]"


def test_a_member_that_has_crashed_names_the_first_that_may_take_over(told_by_patroni):
    """Not one that is silent, behind, or on an older timeline; and nobody is named twice."""
    script = CRASHED + (
        "ha = crashed(); found = ha.recover(); print([each.member.name for each in found][-1])\n"
        "asked = [each for each in asked if each not in ('a', 'b', 'c', 'd')]; print(asked)\n"
        "asked.clear(); demote(ha, ''); print(asked)\n"
    )
    assert told_by_patroni(script) == [
        "d",
        f"[{released('set')}, 'touched']",
        "['archive command', 'as Patroni does']",
    ]


@pytest.mark.parametrize(
    ("so", "did"),
    [
        (
            "results = [[NoNodeError()] * 3, [True] * 3]",
            f"[{released('set')}, {released('create')}, 'touched']",
        ),
        ("results = [[BadVersionError()] * 3]", f"[{released('set')}, 'as Patroni does']"),
        ("session = 8", "['as Patroni does']"),
        ("members = members[:3]", "['as Patroni does']"),
        ("members = []", "['as Patroni does']"),
    ],
)
def test_a_crashed_members_key_that_cannot_be_handed_on_is_released_by_patroni(told_by_patroni, so, did):
    """Where nobody was asked to take over before, where another was faster, and where nobody is fit."""
    script = "crashed().recover(); print([each for each in asked if each not in ('a', 'b', 'c', 'd')])\n"
    assert told_by_patroni(f"{CRASHED}{so}\n{script}") == [did]

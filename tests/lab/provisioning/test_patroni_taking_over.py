"""What Patroni does to take over (decisions 0207, 0210), asked of each host's own."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.lab

A_FREE_KEY = (
    "from kazoo.exceptions import BadVersionError, ConnectionLoss, NodeExistsError, RolledBackError\n"
    "from patroni.dcs import AbstractDCS, SyncState\n"
    "from patroni.ha import Ha\n"
    "done, results, quorum, found = [], [True, True], False, SyncState(9, 'old', 'me,other', 0)\n"
    "class Answer:\n"
    "    def get(self, timeout):\n"
    "        if isinstance(results, Exception): raise results\n"
    "        return results\n"
    "class Transaction:\n"
    "    def create(self, *what, **more): done.append(('create', *what, more))\n"
    "    def set_data(self, *what, **more): done.append(('set', *what, more))\n"
    "    def commit_async(self): return Answer()\n"
    "class Dcs:\n"
    "    leader_path, sync_path, sync_state = '/leader', '/sync', staticmethod(AbstractDCS.sync_state)\n"
    "    _client = types.SimpleNamespace(transaction=Transaction)\n"
    "    write_sync_state = AbstractDCS.write_sync_state\n"
    "    def attempt_to_acquire_leader(self): done.append('took'); return free\n"
    "    def set_sync_state_value(self, value, version): done.append(('wrote', value, version)); return 11\n"
    "free, refused = True, False\n"
    "def process(ha):\n"
    "    if not ha.dcs.attempt_to_acquire_leader(): return 'follows'\n"
    "    if refused: return 'refused by the watchdog'\n"
    "    written = ha.dcs.write_sync_state('me', None, 0, version=found.version)\n"
    "    return f'promotes with {written.version}'\n"
    "Ha.process_unhealthy_cluster = process\n"
    "Ha.is_synchronous_mode, Ha.is_standby_cluster = lambda ha: True, lambda ha: False\n"
    "Ha.is_quorum_commit_mode = lambda ha: quorum\n"
    "taking_over.take_the_key_and_say_so()\n"
    "def looped():\n"
    "    ha = object.__new__(Ha); ha.dcs = Dcs()\n"
    "    ha.state_handler = types.SimpleNamespace(name='me')\n"
    "    ha.cluster = types.SimpleNamespace(sync=found)\n"
    "    print(ha.process_unhealthy_cluster())\n"
    "    for each in done: print(each)\n"
    "    assert not vars(ha.dcs)\n"
)
MINE = '{"leader":"me","quorum":0,"sync_standby":null}'
BOTH = [
    "('create', '/leader', b'me', {'ephemeral': True})",
    f"('set', '/sync', b'{MINE}', {{'version': 9}})",
]
BY_PATRONI = ["took", f"('wrote', '{MINE}', 9)"]


def test_who_takes_over_takes_the_key_and_says_so_in_one_write(told_by_patroni):
    assert told_by_patroni(f"{A_FREE_KEY}looped()\n") == ["promotes with 10", *BOTH]


@pytest.mark.parametrize(
    ("so", "said"),
    [
        ("results = [RolledBackError(), BadVersionError()]", ["promotes with 11", *BOTH, *BY_PATRONI]),
        ("results = ConnectionLoss()", ["promotes with 11", *BOTH, *BY_PATRONI]),
        ("results, free = [NodeExistsError()], False", ["follows", *BOTH, "took"]),
        ("quorum = True", ["promotes with 11", *BY_PATRONI]),
        ("Ha.is_standby_cluster = lambda ha: True", ["promotes with 11", *BY_PATRONI]),
        ("Ha.is_synchronous_mode = lambda ha: False", ["promotes with 11", *BY_PATRONI]),
        ("found = SyncState.empty()", ["promotes with 11", "took", f"('wrote', '{MINE}', None)"]),
    ],
)
def test_a_key_that_cannot_be_taken_so_is_taken_as_patroni_does_it(told_by_patroni, so, said):
    assert told_by_patroni(f"{A_FREE_KEY}{so}\nlooped()\n") == said


def test_who_is_refused_after_all_leaves_the_others_synchronous(told_by_patroni):
    """Or nobody could be promoted."""
    given_back = '(\'wrote\', \'{"leader":"old","quorum":0,"sync_standby":"me,other"}\', 10)'
    said = told_by_patroni(f"{A_FREE_KEY}refused = True\nlooped()\n")
    assert said == ["refused by the watchdog", *BOTH, given_back]


def test_postgresql_is_promoted_by_a_statement_or_by_pg_ctl(told_by_patroni):
    script = (
        "from patroni.exceptions import PostgresConnectionException\n"
        "from patroni.postgresql import Postgresql\n"
        "Postgresql.pg_ctl = lambda self, command, *options, **more: done.append((command, *options, more))\n"
        "def ask(sql, retry):\n"
        "    if isinstance(answer, Exception): raise answer\n"
        "    done.append(sql); return [(answer,)]\n"
        "taking_over.promote_by_a_statement()\n"
        "server = object.__new__(Postgresql); server.query = ask\n"
        "for answer in (True, False, PostgresConnectionException('gone')):\n"
        "    done = []; server.pg_ctl('promote', '-W'); print(done)\n"
        "answer, done = True, []; server.pg_ctl('start', timeout=1); print(done)\n"
    )
    statement = "'SELECT pg_catalog.pg_promote(false)'"
    assert told_by_patroni(script) == [
        f"[{statement}]",
        f"[{statement}, ('promote', '-W', {{}})]",
        "[('promote', '-W', {})]",
        "[('start', {'timeout': 1})]",
    ]

"""Observing against a real PostgreSQL, and against nobody."""

import socket
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from failover.inspection import HostInspector
from failover.model import Access, Layout, Node, Role, Site, Unreachable
from failover.observe.estate import observe_async
from failover.observe.postgres import state_of
from failover.observe.problems import Health, health
from infra.pki import CertificateRequest, issue, make_authority


async def test_a_real_primary_says_what_it_is(postgres_server):
    async with await psycopg.AsyncConnection.connect(
        postgres_server.url(), row_factory=dict_row, autocommit=True
    ) as connection:
        state = await state_of(connection)
    assert state.role is Role.PRIMARY
    assert state.timeline == 1
    assert state.flush_lsn == state.replay_lsn > 0
    assert state.standbys == ()


def test_a_real_primary_says_what_a_switch_rests_on(postgres_server):
    server = HostInspector(Layout((), (), (), ()), lambda _: postgres_server.url(), None).server("here")
    assert (server.standby, server.timeline, server.replay_bytes, server.streams) == (False, 1, 0, {})
    assert server.flush_lsn > 0
    assert server.settings["fsync"] == "off"


@pytest.fixture
def access(tmp_path):
    authority = make_authority("test")
    operator = issue(authority, CertificateRequest("operator"))
    files = {"ca": authority.certificate, "pem": operator.certificate, "key": operator.key}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return Access(tmp_path / "ca", tmp_path / "pem", tmp_path / "key", "secret", "secret")


async def test_nobody_answers_and_it_costs_one_deadline(access):
    """Loopback addresses at which nothing listens: every answer is a value."""
    nobody = Node("nobody", "dc1", "127.77.77.77")
    with socket.socket() as free:
        free.bind((nobody.address, 0))
        layout = Layout((Site("dc1", nobody.address),), (nobody,), (nobody,), (nobody,))
        view = await observe_async(layout, access, deadline_s=10.0)
    assert health(view) is Health.DOWN
    (database,) = view.databases
    assert database.postgres == Unreachable("connection refused")
    assert database.patroni == Unreachable("connection refused")
    assert isinstance(view.coordination, Unreachable)
    assert view.at.utcoffset() == timedelta(0)

"""The gate's console on a real PgBouncer in front of a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app.devserver import running_server
from failover.pool_gate import PgBouncer, PoolError

pytestmark = pytest.mark.lab
OfImage = Callable[[list[str], Path], list[str]]
STARTS_WITHIN_S = 60.0
# Time enough for a pause that nothing holds up.
PAUSES_WITHIN_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def bouncer(tmp_path_factory: pytest.TempPathFactory, of_image: OfImage) -> Iterator[str]:
    """conninfo of a running PgBouncer without a database name; its database `crm` is a private server's."""
    home, port = tmp_path_factory.mktemp("pgbouncer"), free_port()
    with running_server() as server:
        config = home / "pgbouncer.ini"
        config.write_text(
            f"[databases]\ncrm = host=127.0.0.1 port={server.port} dbname=postgres user=postgres"
            f" password={server.password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"auth_type = any\nadmin_users = admin\npool_mode = transaction\nunix_socket_dir =\n"
            f"logfile = {home / 'log'}\n"
        )
        with started(config, of_image) as process:
            yield f"host=127.0.0.1 port={port} sslmode=disable"
            process.terminate()


def started(config: Path, of_image: OfImage) -> subprocess.Popen[bytes]:
    """PgBouncer refuses root: its files are given to `nobody`, and so are its rights."""
    nobody = pwd.getpwnam("nobody")
    for path in (config.parent, config):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    command = ["pgbouncer", "-q", "-u", "nobody", str(config)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(of_image(command, config.parent), **quiet)


def console(bouncer: str) -> PgBouncer:
    pool = PgBouncer(f"{bouncer} dbname=pgbouncer user=admin", "crm")
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            pool.resume()
        except PoolError:
            assert time.monotonic() < deadline, "PgBouncer did not start"
            time.sleep(0.1)
        else:
            return pool


def client(bouncer: str) -> psycopg.Connection:
    return psycopg.connect(f"{bouncer} dbname=crm user=anybody")


def test_a_pause_holds_clients_until_the_resume(bouncer: str) -> None:
    pool = console(bouncer)
    with client(bouncer) as connection:
        connection.execute("select 1")
        connection.commit()
        pool.pause(PAUSES_WITHIN_S)
        assert pool.paused()
        answered = threading.Event()

        def query() -> None:
            connection.execute("select 1")
            answered.set()

        thread = threading.Thread(target=query)
        thread.start()
        assert not answered.wait(0.3)
        pool.resume()
        thread.join(PAUSES_WITHIN_S)
        assert answered.is_set()


def test_pausing_and_resuming_twice_is_as_once(bouncer: str) -> None:
    pool = console(bouncer)

    pool.pause(PAUSES_WITHIN_S)
    pool.pause(PAUSES_WITHIN_S)
    pool.resume()
    pool.resume()

    assert not pool.paused()


def test_a_pause_that_waits_for_a_transaction_is_given_up_and_taken_back(bouncer: str) -> None:
    pool = console(bouncer)
    with client(bouncer) as busy:
        busy.execute("select 1")

        with pytest.raises(PoolError, match="PAUSE crm"):
            pool.pause(0.3)

        assert not pool.paused()
        with client(bouncer) as other:
            assert other.execute("select 2").fetchone() == (2,)


def test_no_pgbouncer_is_an_error_with_a_name() -> None:
    with pytest.raises(PoolError, match="SHOW DATABASES"):
        PgBouncer("host=127.0.0.1 port=1 dbname=pgbouncer", "crm").paused()

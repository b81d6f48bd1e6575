"""A server that went its own way is saved before it is rewound: two real servers, with real pg_rewind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from app.devserver import THROWAWAY, PrivateServer
from tests.architecture.checkout import CHECKOUT

pytestmark = pytest.mark.safety

FILES = CHECKOUT / "playbooks/roles/postgresql/files"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
TABLES = """
CREATE SCHEMA crm;
CREATE TABLE crm.customer
 (id int PRIMARY KEY, name text, shout text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE crm.note (at timestamptz DEFAULT now(), body jsonb);
CREATE TABLE crm.transaction (id int, month int, amount numeric, PRIMARY KEY (id, month))
 PARTITION BY LIST (month);
CREATE TABLE crm.transaction_1 PARTITION OF crm.transaction FOR VALUES IN (1);
CREATE TABLE public.elsewhere (id int);
INSERT INTO crm.customer VALUES (1, 'common'), (2, 'doomed');
"""
# One transaction with a subtransaction, one that rolls back, and one of each kind of change.
ALONE = (
    """BEGIN; INSERT INTO crm.customer VALUES (3, E'О''Нил \\\\ "x"\\nnext'); SAVEPOINT s;
    INSERT INTO crm.note (body) VALUES ('{"a": "b\\\\c"}'); RELEASE s; COMMIT;""",
    "BEGIN; INSERT INTO crm.customer VALUES (9, 'never'); ROLLBACK;",
    "UPDATE crm.customer SET name = 'changed' WHERE id = 1",
    "DELETE FROM crm.customer WHERE id = 2",
    "INSERT INTO crm.transaction SELECT n, 1, n FROM generate_series(1, 700) AS n",
    "INSERT INTO public.elsewhere VALUES (1)",
)


@dataclass
class Pair:
    """`old` is down after a crash, with writes of its own; `new` is up on the next timeline."""

    old: PrivateServer
    new: PrivateServer
    saved: Path

    def begin(self) -> subprocess.Popen[str]:
        """As Patroni's user, who has no business in this checkout."""
        user, program = self.old.user, self.old.directory / "salvage.py"
        for name in ("salvage.py", "salvage_reading.py"):
            shutil.copy(FILES / name, self.old.directory)
        own(self.old, self.old.directory)
        return subprocess.Popen(
            [
                *(PYTHON, str(program), "--binaries", str(self.old.programs)),
                *("--directory", str(self.saved), "--database", "postgres", "--"),
                *("-D", str(self.old.directory / "data"), "--source-server", self.new.url()),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            cwd=self.saved.parent,
        )

    def salvage(self) -> tuple[int, str]:
        """Exit status and output."""
        with self.begin() as running:
            said, _ = running.communicate(timeout=300)
            return running.returncode, said

    def report(self) -> tuple[dict[str, object], Path]:
        (directory,) = [path for path in self.saved.iterdir() if path.is_dir()]
        return json.loads((directory / "report.json").read_text()), directory


def do(server: PrivateServer, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def own(server: PrivateServer, path: Path) -> None:
    if server.user is not None:
        for each in (path, *path.rglob("*")):
            os.chown(each, server.user.uid, server.user.gid)


@pytest.fixture
def pair() -> Iterator[Pair]:
    # pg_rewind asks for both.
    settings = {**THROWAWAY, "full_page_writes": "on", "wal_log_hints": "on"}
    old, new = PrivateServer.create(settings), PrivateServer.create(settings)
    try:
        old.start()
        do(old, TABLES)
        old.stop()
        shutil.rmtree(new.directory / "data")
        shutil.copytree(old.directory / "data", new.directory / "data")
        (new.directory / "data" / "standby.signal").touch()
        conf = new.directory / "data" / "postgresql.conf"
        conf.write_text(
            f"{conf.read_text()}\nport = {new.port}\nunix_socket_directories = '{new.directory}'\n"
        )
        own(new, new.directory)
        new.password = old.password
        new.start()
        old.start()
        do(old, *ALONE)
        old.stop(signal.SIGQUIT)
        do(new, "SELECT pg_promote()", "CHECKPOINT", "INSERT INTO crm.customer VALUES (4, 'new')")
        saved = old.directory / "saved"
        yield Pair(old, new, saved)
    finally:
        old.remove()
        new.remove()


def test_what_only_the_old_primary_has_is_saved_and_then_it_is_rewound(pair: Pair) -> None:
    status, said = pair.salvage()

    assert status == 0, said
    report, directory = pair.report()
    assert report["transactions"] == 6  # five that committed, and one subtransaction
    assert report["rows"] == {
        "crm.customer": {"insert": 1, "update": 1},
        "crm.note": {"insert": 1},
        "crm.transaction_1": {"insert": 700},
    }
    assert (report["not_readable"], report["exact"]) == (1, True)
    rows = [json.loads(line) for line in (directory / "rows.jsonl").read_text().splitlines()]
    names = {row["row"]["id"]: row["row"]["name"] for row in rows if row["table"] == "crm.customer"}
    assert names == {3: 'О\'Нил \\ "x"\nnext', 1: "changed"}
    assert any((directory / "wal").iterdir())
    assert "COMMIT" in (directory / "waldump.txt").read_text()

    # Rewound: it is the new primary's history, and the statements bring back what was saved.
    do(pair.new, (directory / "statements.sql").read_text())
    with psycopg.connect(pair.new.url()) as connection:
        found = connection.execute("SELECT id, name, shout FROM crm.customer ORDER BY id").fetchall()
        assert [row[:2] for row in found] == [(1, "changed"), (2, "doomed"), (3, names[3]), (4, "new")]
        assert found[0][2] == "CHANGED"
        (count,) = connection.execute("SELECT count(*) FROM crm.transaction").fetchone() or ()
        assert count == 700
        assert connection.execute("SELECT body FROM crm.note").fetchall() == [({"a": "b\\c"},)]


def test_a_server_that_committed_nothing_alone_leaves_nothing_to_review(pair: Pair) -> None:
    first, _ = pair.salvage()
    again, said = pair.salvage()

    assert (first, again) == (0, 0), said
    assert "nothing to save" in said
    pair.report()  # the one of the first time


def test_what_cannot_be_saved_is_not_rewound(pair: Pair) -> None:
    pair.saved.mkdir(mode=0o500)  # as a full disk would: nothing can be made in it

    with pair.begin() as running:
        assert running.stdout is not None
        assert any("NOT rewinding" in line for line in running.stdout)  # until it says so, or ends
        assert running.poll() is None
        running.kill()
    pair.old.start()
    with psycopg.connect(pair.old.url()) as connection:
        assert connection.execute("SELECT name FROM crm.customer WHERE id = 1").fetchone() == ("changed",)

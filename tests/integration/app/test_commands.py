"""`python -m app …` as a developer, an operator and systemd call it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.devserver import free_port

WAIT_SECONDS = 120.0


def run(*arguments, **environment):
    command = [sys.executable, "-m", "app", *arguments]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    return subprocess.run(
        command,
        env={**bare, **environment},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_dev_serves_on_its_own_database_and_leaves_nothing_behind(how):
    port = free_port()
    command = [sys.executable, "-m", "app", "dev", "--listen", f"127.0.0.1:{port}"]
    with _ended_at_the_latest(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        first = process.stdout.readline()
        directory, database_port = _of_database(first)
        made = _first_customer(f"http://127.0.0.1:{port}")
        assert made.status_code == 201
        process.send_signal(how)
        process.communicate(timeout=WAIT_SECONDS)
    assert not directory.exists()
    assert not _listens(database_port)


@contextmanager
def _ended_at_the_latest(process):
    """After a failure too: with its database, and without waiting for it for ever."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def _of_database(line):
    """From the line that tells how to reach the database: its directory (found by its port) and its port."""
    port = re.search(r"port=(\d+)", line)[1]
    for directory in Path(tempfile.gettempdir()).glob("crm-pg-*"):
        with suppress(OSError):  # another test's, which has just been removed
            if f"port = '{port}'" in (directory / "data" / "postgresql.conf").read_text():
                return directory, int(port)
    pytest.fail(f"no directory of a server with port {port}")


def _first_customer(address):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = httpx.post(
                f"{address}/api/v1/customers",
                json={"kind": "person", "name": "Иван"},
                headers={"Idempotency-Key": "dev"},
                timeout=WAIT_SECONDS,
            )
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code != 503:
            return answer
    pytest.fail("no answer")


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_dev_says_what_to_install_where_there_is_no_postgresql():
    ended = run("dev", "--postgresql", "9")
    assert ended.returncode == 1
    assert "apt-get install postgresql" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_names_the_setting_that_is_missing():
    ended = run("serve")
    assert ended.returncode == 2
    assert "CRM_DATABASE_URL: Field required" in ended.stderr


def test_openapi_is_printed_without_a_database():
    ended = run("openapi")
    description = json.loads(ended.stdout)
    assert "/api/v1/customers/{customer_id}" in description["paths"]
    answers = description["paths"]["/api/v1/requests"]["post"]["responses"]
    assert "`outcome-unknown`" in answers["503"]["description"]
    assert "HTTPValidationError" not in json.dumps(description)


def test_roles_and_migrate_prepare_an_empty_server(postgres_server):
    password = {"CRM_PASSWORD_OWNER": postgres_server.password}
    made = run("roles", "--url", postgres_server.url(), "--database", "prepared", **password)
    assert made.returncode == 0, made.stderr
    url = postgres_server.url("prepared", "crm_owner")
    for expected in ("applied 0001 foundation", "up to date"):
        ended = run("migrate", CRM_DATABASE_URL="unused", CRM_MIGRATION_URL=url)
        assert ended.returncode == 0, ended.stderr
        assert expected in ended.stdout


def test_migrate_says_why_it_cannot():
    ended = run("migrate", CRM_DATABASE_URL=f"host=127.0.0.1 port={free_port()}")
    assert ended.returncode == 1
    assert ended.stderr.startswith("migrate: connection failed")

"""A private PostgreSQL server for development and tests: its own directory, loopback port and socket.

Uses the server programs of the distribution, needs no root, and gives root's rights up when it has them
(initdb and postgres refuse to run as root).
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from app.migrate import migrate
from app.roles import Role, ensure_database, ensure_roles

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
# On a machine that others keep busy; elsewhere both take a second.
START_SECONDS = 120.0
STOP_SECONDS = 60.0
CONNECT_SECONDS = 10
# For a server whose data nobody wants back. What a killed server, not the machine, survives it survives with
# these, too; and nothing of it lies in shared memory, where a killed server would leave it.
THROWAWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",  # as on the estate's servers; compiling takes seconds of a busy machine
}
HOW_TO_INSTALL = (
    "no PostgreSQL server programs found under /usr/lib/postgresql/*/bin or in PATH; install them with "
    "`apt-get install postgresql` (to keep Debian from starting a server of its own, first put "
    "`create_main_cluster = false` into /etc/postgresql-common/createcluster.conf)"
)


class DevServerError(Exception):
    """The private server cannot be had; the text says what to do."""


def find_programs(major: int | None = None) -> Path:
    """The directory with initdb and postgres: of `major`, or of the newest version installed."""
    versions = sorted(
        (path for path in DEBIAN_PROGRAMS.glob("*/bin/postgres") if path.parts[-3].isdigit()),
        key=lambda path: int(path.parts[-3]),
    )
    if major is not None:
        versions = [path for path in versions if path.parts[-3] == str(major)]
    if versions:
        return versions[-1].parent
    in_path = shutil.which("postgres")
    if in_path and major is None:
        return Path(in_path).resolve().parent
    raise DevServerError(HOW_TO_INSTALL if major is None else f"PostgreSQL {major}: {HOW_TO_INSTALL}")


_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that nobody else on this machine is given while this process lives.

    It stays bound here without being listened on: connections are refused, until a server that sets
    SO_REUSEADDR, as all do, listens on it; and again once that server has gone.
    """
    reserved = socket.socket()
    _reserved.append(reserved)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port: int = reserved.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class _User:
    """Who runs the server: nobody else's files can be reached then, even by a superuser's COPY."""

    name: str
    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> _User | None:
        """None when we are not root and simply stay who we are."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise DevServerError(
            "running as root, and neither user postgres nor nobody exists to run the server as"
        )


@dataclass(slots=True)
class PrivateServer:
    """One PostgreSQL server in a directory of its own. `create`, then `start` and `stop` at will."""

    directory: Path
    programs: Path
    port: int
    password: str
    user: _User | None
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @classmethod
    def create(cls, settings: Mapping[str, str] | None = None, major: int | None = None) -> PrivateServer:
        """Make a new cluster in a directory of its own under the system's temporary directory."""
        programs = find_programs(major)
        user = _User.unprivileged()
        directory = Path(tempfile.mkdtemp(prefix="crm-pg-"))
        server = cls(directory, programs, free_port(), secrets.token_hex(16), user)
        try:
            server._initdb(settings or {})
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return server

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A libpq connection string."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, dbname=database, user=user, password=password or self.password
        )

    def start(self) -> None:
        """Start and wait until it answers. Raises DevServerError with the end of its log."""
        command = [str(self.programs / "postgres"), "-D", str(self.directory / "data")]
        with (self.directory / "log").open("ab") as log:
            self._process = self._popen(command, log.fileno())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise DevServerError(f"PostgreSQL did not start:\n{self.log_tail()}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one (as a crash). Does nothing when it is down."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_SECONDS)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines: int = 20) -> str:
        log = self.directory / "log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initdb(self, settings: Mapping[str, str]) -> None:
        if self.user is not None:
            os.chown(self.directory, self.user.uid, self.user.gid)
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        if self.user is not None:
            os.chown(password_file, self.user.uid, self.user.gid)
        data = self.directory / "data"
        # C.UTF-8 knows Cyrillic letters (trigrams need that). Texts are compared by bytes, which is by code
        # point on every machine: as on the estate's servers, whose provider of locales came with 17.
        options = [
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--lc-collate=C",
            "--no-sync",
        ]
        self._run([str(self.programs / "initdb"), *options, f"--pwfile={password_file}", "-D", str(data)])
        password_file.unlink()
        values = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": "60",
            "shared_buffers": "64MB",
            **settings,
        }
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in values.items())

    def _run(self, command: Sequence[str]) -> None:
        with (self.directory / "log").open("ab") as log:
            exit_code = self._popen(command, log.fileno()).wait(START_SECONDS)
        if exit_code != 0:
            raise DevServerError(f"{command[0]} ended with {exit_code}:\n{self.log_tail()}")

    def _popen(self, command: Sequence[str], log: int) -> subprocess.Popen[bytes]:
        # No shell, no input; a session of its own, so that Ctrl-C reaches it only through stop().
        return subprocess.Popen(  # noqa: S603
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
        )


@dataclass(frozen=True, slots=True)
class CrmDatabase:
    """A migrated CRM database on a private server, with a connection string for each role."""

    server: PrivateServer
    name: str
    password: str

    def url(self, role: Role = Role.APP) -> str:
        return self.server.url(self.name, role.value, self.password)

    @property
    def admin_url(self) -> str:
        return self.server.url(self.name)


def create_crm_database(server: PrivateServer, name: str = "crm") -> CrmDatabase:
    """Roles, database and schema, as provisioning makes them on real servers."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        ensure_roles(connection, dict.fromkeys(Role, server.password))
        ensure_database(connection, name)
    database = CrmDatabase(server, name, server.password)
    migrate(database.url(Role.OWNER))
    return database


@contextmanager
def running_server(
    settings: Mapping[str, str] | None = None, major: int | None = None
) -> Iterator[PrivateServer]:
    """A server that is gone, with its directory, when the block ends."""
    server = PrivateServer.create(settings, major)
    try:
        server.start()
        yield server
    finally:
        server.remove()

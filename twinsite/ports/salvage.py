"""What diverged servers had alone: saved on order before a rebuild, and fetched for review."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover.model import POSTGRESQL_PORT
from infra import paths
from infra.command import CommandError
from infra.remote import Remote
from twinsite.context import Context
from twinsite.outcome import CannotError

DIRECTORY = "/var/lib/postgresql/salvage"
SAVES_WITHIN_S = 3600.0
ANSWERS_WITHIN_S = 15.0

# Nothing under way is interrupted: before a rewind was saved, and what is still saving must not be rebuilt.
# Else Patroni is stopped meanwhile: it starts PostgreSQL whenever it can.
_SAVE = """
set -e
if pgrep -u postgres -f salvage.py > /dev/null; then
    echo "still saving, or unable to: journalctl -t twinsite-salvage" >&2; exit 1
fi
if pgrep -u postgres 'pg_rewind|pg_basebackup' > /dev/null; then
    echo "Patroni rewinds or copies it now; what only it had was saved before" >&2; exit 0
fi
data=$(sed -n 's/^  data_dir: //p' /etc/twinsite/patroni.yml)
systemctl stop patroni
trap 'systemctl start patroni' EXIT
export PGPASSWORD={password} SALVAGE_ONCE=1
runuser -u postgres -- /usr/local/lib/twinsite/pg_rewind -D "$data" --source-server {source}
"""


@dataclass(frozen=True)
class Saved:
    """One report as it was written on the host, and where its directory lies here now."""

    host: str
    at: str
    transactions: int
    rows: str
    not_readable: int
    directory: Path

    def says(self) -> str:
        return (
            f"{self.host} had {self.transactions} transactions of its own at {self.at}:"
            f" {self.rows or 'no rows'}; {self.not_readable} deleted rows are counted only;"
            f" review {self.directory}"
        )


class Salvages:
    """Those of one estate's database hosts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._remote = Remote(context.lab.ssh_config if context.is_lab else None)

    def reached(self, host: str) -> bool:
        """Whether the host answers over SSH."""
        try:
            self._remote.script(self._context.estate.host(host), "true", timeout=ANSWERS_WITHIN_S)
        except CommandError:
            return False
        return True

    def save(self, host: str, primary: str) -> str:
        """Saves what only the host has, or finds that there is nothing.

        Raises:
            CannotError: it could not be saved, or the host could not be reached.
        """
        estate, secrets = self._context.estate, self._context.secrets.read()
        source = (
            f"host={estate.host(primary).address} port={POSTGRESQL_PORT} user=postgres dbname=postgres"
            " sslmode=verify-ca sslrootcert=/etc/twinsite/tls/ca.pem"
        )
        script = _SAVE.format(password=shlex.quote(secrets.postgres_password), source=shlex.quote(source))
        try:
            done = self._remote.script(estate.host(host), script, timeout=SAVES_WITHIN_S)
        except CommandError as error:
            raise CannotError(f"{host}: {error}") from error
        return (done.stderr or done.stdout).strip().splitlines()[-1]

    def fetch(self, host: str) -> Iterator[Saved]:
        """Copies every salvage that is not here yet, and tells of it.

        Raises:
            CannotError: the host could not be reached.
        """
        there, here = self._context.estate.host(host), paths.reports() / "salvage" / host
        try:
            listed = self._remote.script(there, f"ls {DIRECTORY} 2>/dev/null || true", timeout=30.0).stdout
            for name in sorted(listed.split()):
                if name != "skip" and not (here / name).exists():
                    self._remote.fetch(there, f"{DIRECTORY}/{name}", here / name)
                    yield _saved(host, here / name)
        except CommandError as error:
            raise CannotError(f"{host}: {error}") from error


def _saved(host: str, directory: Path) -> Saved:
    raw: dict[str, Any] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    kinds = (
        f"{number} {kind} in {table}" for table, each in raw["rows"].items() for kind, number in each.items()
    )
    return Saved(
        host, raw["at"], int(raw["transactions"]), ", ".join(kinds), int(raw["not_readable"]), directory
    )

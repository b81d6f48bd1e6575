"""Runs a playbook against an estate: the same call for the lab and for real servers.

Ansible's output goes to a log file; what a person wants to see of it (which task runs, what failed, the
recap) is reported as it comes.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra import paths
from infra.command import CommandError, stream
from infra.secrets import SecretStore
from infra.topology import Estate

Progress = Callable[[str], None]

DEADLINE_S = 1800.0

# What the roles install on hosts.
_SOURCES = ("playbooks", "app", "failover", "locks")

_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*?)\] \**$")
_RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)"
    r"\s+failed=(?P<failed>\d+)"
)
_TROUBLE = ("fatal:", "failed:", "ERROR!", "[ERROR]")


class ProvisioningError(Exception):
    """The playbook failed; the message holds what the hosts said and names the log."""


@dataclass(frozen=True)
class HostRecap:
    """How a play ended on one host, in numbers of tasks."""

    host: str
    ok: int
    changed: int
    failed: int
    unreachable: int


@dataclass(frozen=True)
class Playbook:
    """A playbook of the checkout, aimed at an estate. `ssh_config` is the lab's, None for real servers."""

    path: Path
    estate: Estate
    secrets: SecretStore
    ssh_config: Path | None = None

    def argv(
        self,
        *,
        limit: str | None,
        tags: Sequence[str],
        check: bool,
        variables: Mapping[str, object] | None = None,
    ) -> list[str]:
        """The command line; secrets come from the vault file and never stand in it."""
        found = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--inventory",
            str(self.estate.inventory.resolve()),
            "--extra-vars",
            f"@{self.secrets.vault}",
            "--vault-password-file",
            str(self.secrets.vault_password),
        ]
        if self.ssh_config:
            found += ["--ssh-common-args", f"-F {self.ssh_config}"]
        if limit:
            found += ["--limit", limit]
        if tags:
            found += ["--tags", ",".join(tags)]
        if check:
            found.append("--check")
        if variables:
            found += ["--extra-vars", json.dumps(variables)]
        return [*found, str(self.path)]

    def environment(self) -> dict[str, str]:
        """The settings of Ansible that do not stand in ansible.cfg."""
        if not self.ssh_config:
            return _environment()
        connections = paths.ssh_connections(self.ssh_config.parent)
        # Beside the lab, so that what takes the lab away finds and ends the connections that Ansible keeps.
        return {**_environment(), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(connections)}

    def run(
        self,
        log: Path,
        progress: Progress,
        *,
        limit: str | None = None,
        tags: Sequence[str] = (),
        check: bool = False,
        variables: Mapping[str, object] | None = None,
    ) -> tuple[HostRecap, ...]:
        """Run it to its end; the whole output is appended to `log`. `variables`: the playbook's own.

        Raises:
            ProvisioningError: a task failed or a host could not be reached.
        """
        argv = self.argv(limit=limit, tags=tags, check=check, variables=variables)
        log.parent.mkdir(parents=True, exist_ok=True)
        trouble: list[str] = []
        recaps: list[HostRecap] = []
        with log.open("a") as file:
            try:
                for line in stream(argv, timeout=DEADLINE_S, env=self.environment(), cwd=paths.CHECKOUT):
                    file.write(line + "\n")
                    recaps.extend(_recaps(line))
                    if task := _TASK.match(line):
                        progress(task["name"])
                    elif line.startswith(_TROUBLE):
                        trouble.append(line)
                        progress(line)
            except CommandError as error:
                told = "\n".join(trouble) or error.output
                raise ProvisioningError(
                    f"{self.path.name} {error.reason}; the whole output is in {log}\n{told}"
                ) from error
        return tuple(recaps)


def inputs_digest(secrets: SecretStore, estate: Estate) -> str:
    """A digest of everything that a provisioning depends on: equal digests, equal hosts."""
    folders = (*(paths.CHECKOUT / name for name in _SOURCES), estate.inventory)
    files = sorted(file for folder in folders for file in folder.rglob("*") if _counts(file))
    digest = hashlib.sha256()
    for file in (*files, secrets.vault):
        digest.update(f"{file}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _counts(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _recaps(line: str) -> Iterator[HostRecap]:
    if found := _RECAP.match(line):
        figures = {name: int(found[name]) for name in ("ok", "changed", "failed", "unreachable")}
        yield HostRecap(found["host"], **figures)


def _environment() -> dict[str, str]:
    """Settings that belong to this machine; the others stand in ansible.cfg."""
    settings = {
        "ANSIBLE_CONFIG": str(paths.CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        # Many connections at once on few cores take their time; a host that is gone is refused at once.
        "ANSIBLE_TIMEOUT": "60",
        # Each task's name must arrive when the task starts, not when a buffer is full.
        "PYTHONUNBUFFERED": "1",
    }
    mitogen = find_spec("ansible_mitogen")
    if mitogen and mitogen.origin:
        plugins = Path(mitogen.origin).parent / "plugins" / "strategy"
        settings |= {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    return settings

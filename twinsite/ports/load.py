"""The load generator, in the clients' namespace of the lab."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from failover.drills.model import Entry
from failover.drills.ports import LoadRun, PortError
from infra import paths
from infra.command import Process, end, spawn
from infra.network import host_namespace, inside
from infra.scheduling import INSTRUMENT_NICE, as_tool
from twinsite.ports.errors import as_port_errors

# What is in flight has ten seconds (loadtests/policy.py), who takes webhooks more than a minute until all has
# come, and ten seconds to end the subscription (loadtests/beside.py); past this it hangs.
_END_DEADLINE_S = 120.0
_LAST_LINES = 5


class LoadProcess:
    """`python -m loadtests` as a process of its own; one at a time."""

    def __init__(
        self,
        client: str,
        entries: Callable[[], Sequence[Entry]],
        ca: Path,
        environment: Mapping[str, str],
        *,
        receiver: str,
    ) -> None:
        """Make it ready to start.

        Args:
            client: the host of the inventory in whose network namespace the users live.
            entries: the sites' entries, the preferred one first, as of the moment the load starts.
            ca: the file with the entries' certificate authority.
            environment: that of `load_environment`.
            receiver: the client host's address, at which webhooks are taken.
        """
        self._client = client
        self._entries = entries
        self._ca = ca
        self._environment = environment
        self._receiver = receiver
        self._process: Process | None = None
        self._log: Path | None = None

    def start(self, run: LoadRun) -> None:
        if self._process is not None:
            raise PortError("the load is running already")
        argv = load_argv(run.profile, self._entries(), self._ca, run.history)
        argv += [
            "--follow",
            "--receive",
            self._receiver,
            "--run-id",
            run.run_id,
            "--seed",
            str(run.seed),
            "--stats",
            str(run.stats),
        ]
        self._log = run.history.with_name("load.log")
        with as_port_errors(), self._log.open("ab") as log:
            self._process = spawn(
                among_clients(self._client, argv),
                env=self._environment,
                cwd=paths.CHECKOUT,
                stdout=log,
                new_session=True,
            )

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        if not end(process, _END_DEADLINE_S):
            raise PortError(f"the load did not end within {_END_DEADLINE_S:g} s and was killed")

    def failure(self) -> str | None:
        if self._process is None or (status := self._process.poll()) is None:
            return None
        last = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if self._log else []
        return f"exit status {status}: {' / '.join(last)}"


def among_clients(client: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs a load generator in the client host's network, before what it measures."""
    return as_tool(inside(host_namespace(client), argv), INSTRUMENT_NICE)


def load_environment(key: str, subscriber_key: str = "") -> dict[str, str]:
    """The service keys of users and subscriber, empty where the estate has none yet.

    They go by the environment: a command line is there for all to read.
    """
    keys = {"LOAD_SERVICE_KEY": key, "LOAD_SUBSCRIBER_KEY": subscriber_key}
    return {name: value for name, value in keys.items() if value}


def load_argv(profile: str, entries: Sequence[Entry], ca: Path, history: Path) -> list[str]:
    """The command line of the load generator up to what only some callers say."""
    argv = [sys.executable, "-m", "loadtests", "run", "--profile", profile, "--ca", str(ca)]
    argv += ["--history", str(history)]
    for entry in entries:
        argv += ["--entry", f"{entry.site}={entry.url}"]
    return argv

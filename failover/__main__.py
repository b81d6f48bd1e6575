"""`python -m failover agent --config FILE` runs an agent; its unit runs `resume-pool` when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb
from typing import Annotated

import typer
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError

from failover.actuators.write_gate import WriteGate
from failover.agent import Agent
from failover.agent_config import AgentConfig, ConfigError, load
from failover.brain import Brain, Standing
from failover.conditions import Condition
from failover.diagram import render
from failover.duties import duties_of
from failover.equipment import Equipment
from failover.events import EventLog, history
from failover.flapping import acknowledgement
from failover.journal_store import Copied, FileJournal, ZooKeeperJournal
from failover.leadership import Leadership
from failover.observe.zookeeper import PromptHandler
from failover.pool_gate import PgBouncer, PoolError, PoolGate
from failover.routes import HaproxyRoutes, NoRoutes, RouteError, Routes, ask_socket
from failover.runner import Clock, Runner
from failover.sensors import LiveSensors
from failover.telling import line, looker, tell
from failover.transitions import row_for
from failover.trees import TreeWatch

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The orchestrator's programs on a host.",
    pretty_exceptions_enable=False,
)
Config = Annotated[Path, typer.Option(help="The agent's configuration (YAML).")]
ZOOKEEPER_PORT = 2181
# A step of a switch passes from thread to thread a dozen times, and each time may find another busy: with
# Python's own 5 ms a look at ZooKeeper of 1 ms took 40.
YIELDS_AFTER_S = 0.0005
CONNECTS_WITHIN_S = 60.0
PLACES = 12  # of an error's way that its line names


@cli.command()
def agent(config: Config) -> None:
    """Watches the estate, publishes what it sees and, if elected, acts on it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "kazoo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = _load(config)
    sys.setswitchinterval(YIELDS_AFTER_S)
    client = _connected(settings, CONNECTS_WITHIN_S)
    try:
        asyncio.run(_until_told(build(settings, client)))
    finally:
        client.stop()  # so that nobody waits for the end of this session


async def _until_told(running: Agent) -> None:
    """Runs the agent until SIGTERM."""
    work = asyncio.ensure_future(running.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


@cli.command(name="resume-pool")
def resume_pool(config: Config) -> None:
    """Resumes this host's pool if it is paused. Needs nothing but PgBouncer."""
    settings = _load(config)
    if settings.pool_conninfo is None:
        return
    try:
        PgBouncer(settings.pool_conninfo, settings.pool_database).resume()
        _routes(settings).reset()
    except (PoolError, RouteError) as error:
        typer.echo(f"not resumed: {error}", err=True)
        raise typer.Exit(1) from error


@cli.command()
def explain(config: Config) -> None:
    """Says what the agents see, which rules hold, what they would do and why they do not. Changes nothing."""
    settings = _load(config)
    client = _connected(settings)
    typer.echo(tell(client, settings.layout, time.monotonic_ns, time.sleep))
    client.stop()


@cli.command()
def events(config: Config, last: Annotated[int, typer.Option(help="How many lines.")] = 50) -> None:
    """Shows what the elected agents saw and decided, oldest first."""
    client = _connected(_load(config))
    for happening in history(client, last):
        typer.echo(line(happening))
    client.stop()


@cli.command()
def table() -> None:
    """Prints the table of rules as Markdown, for docs/generated/orchestrator-table.md."""
    typer.echo(render(), nl=False)


def _load(path: Path) -> AgentConfig:
    try:
        return load(path)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _client(config: AgentConfig) -> KazooClient:
    """The session is short: a lost leader of the orchestrator must not be missed for long.

    The nearest server first, as one in a site that is being lost would take this agent's voice with it.
    """
    return KazooClient(
        hosts=",".join(f"{node.address}:{ZOOKEEPER_PORT}" for node in config.zookeepers_by_distance),
        randomize_hosts=False,
        timeout=config.session_s,
        # An election of the ensemble is over in half a second; pauses that double would outlast it.
        connection_retry={"max_tries": -1, "max_delay": 0.3},
        handler=PromptHandler(),
        use_ssl=True,
        ca=str(config.ca_file),
        certfile=str(config.certificate),
        keyfile=str(config.certificate),
        verify_certs=True,
    )


def _connected(config: AgentConfig, within_s: float = 5.0) -> KazooClient:
    client = _client(config)
    try:
        client.start(timeout=within_s)
    except KazooTimeoutError as error:
        rule = row_for(Condition.ZOOKEEPER_WITHOUT_QUORUM, config.policy.durability)
        typer.echo(f"no ZooKeeper session within {within_s:g} s. [{rule.rule}] {rule.comment}", err=True)
        raise typer.Exit(1) from error
    return client


def build(config: AgentConfig, client: KazooClient) -> Agent:
    """Wires an agent over a connected client."""
    leadership = Leadership(client, config.name)
    leadership.prepare()
    journal, gate = ZooKeeperJournal(client, leadership), WriteGate(client, leadership)
    chronicle = EventLog(
        client, leadership, config.name, time.time, policy=config.policy, thresholds=config.thresholds
    )
    for each in (journal, gate, chronicle):
        each.prepare()
    trees = TreeWatch(config.layout.zookeepers, config.tls(), lambda: leadership.in_office)
    equipment = Equipment(config, client, leadership)
    strands = equipment.strands
    look = looker(
        *(client, config.layout, config.thresholds, time.monotonic_ns),
        tree_mismatches=trees.diverged,
        stranded=strands.of,
    )
    clock = Clock(time.monotonic, time.time, time.sleep)
    copied = Copied(journal, FileJournal(config.journal_directory))
    runner = Runner(
        store=copied,
        actuators=equipment.actuators(gate),
        sensors=LiveSensors(equipment.instruments(look)),
        guard=leadership,
        clock=clock,
        poll_s=0.01,
        patient_poll_s=0.2,
    )
    brain = Brain(
        standing=Standing(config.name, config.me.site in config.witness_sites, config.witness_sites),
        policy=config.policy,
        office=leadership,
        look=look,
        journal=copied,
        runner=runner,
        chronicle=chronicle,
        gate=gate,
        clock=clock,
        desk=equipment.desk(),
        housekeeping=_both(journal.trim, chronicle.trim),
        acknowledged_at=lambda: word.at if (word := acknowledgement(client)) else None,
    )
    pool = None
    if config.pool_conninfo is not None:
        console = PgBouncer(config.pool_conninfo, config.pool_database)
        pool = PoolGate(console, monotonic=time.monotonic, routes=_routes(config))
    duties = duties_of(config, client, leadership, chronicle.write, trees=trees, strands=strands)
    return Agent(config, client, brain, pool, epoch=lambda: leadership.epoch, duties=duties)


def _routes(config: AgentConfig) -> Routes:
    if config.haproxy_socket is None:
        return NoRoutes()
    hosts = (node.name for node in config.layout.databases)
    return HaproxyRoutes(ask_socket(config.haproxy_socket), hosts)


def _both(one: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def do() -> None:
        one()
        other()

    return do


def main() -> None:
    """What ends a program unforeseen is one line of its log.

    A traceback is read from the sources and set line by line: on busy cores that took three seconds (seen).
    """
    try:
        cli()
    except Exception as error:  # noqa: BLE001 - the outermost guard
        places = [f"{f.f_code.co_filename}:{at} {f.f_code.co_name}" for f, at in walk_tb(error.__traceback__)]
        way = " < ".join(reversed(places[-PLACES:]))
        typer.echo(f"CRITICAL ended by {type(error).__name__}: {error} at {way}".replace("\n", " "), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

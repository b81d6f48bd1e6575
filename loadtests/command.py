"""The load generator's command line: run a profile, list the profiles."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from loadtests.entries import Entry
from loadtests.policy import DRAIN_S, Patience
from loadtests.profiles import PROFILES, Profile
from loadtests.summary import Latency, Statistics

app = typer.Typer(
    help="Users of the CRM as Locust plays them, with a ledger of every write.", no_args_is_help=True
)

# Exit statuses: the thresholds were missed; a journey is broken.
MISSED, BROKEN = 1, 3


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise typer.BadParameter(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]


def _entry(text: str) -> Entry:
    try:
        return Entry.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


ServiceKey = Annotated[str | None, typer.Option(envvar="LOAD_SERVICE_KEY", help="of the users' account")]
SubscriberKey = Annotated[
    str | None, typer.Option(envvar="LOAD_SUBSCRIBER_KEY", help="of the account that subscribes")
]


@app.command()
def run(
    *,
    profile: Annotated[Profile, typer.Option(parser=_profile, help=f"one of {', '.join(PROFILES)}")],
    entry: Annotated[list[Entry], typer.Option(parser=_entry, help="NAME=URL, the preferred one first")],
    history: Annotated[Path, typer.Option(help="the ledger, appended to", dir_okay=False)],
    ca: Annotated[Path | None, typer.Option(help="the entries' certificate authority", exists=True)] = None,
    run_id: Annotated[str, typer.Option(help="the first part of every marker")] = "",
    duration: Annotated[float | None, typer.Option(help="seconds; without it until SIGTERM", min=1)] = None,
    seed: Annotated[int, typer.Option(help="draws pauses and choices")] = 1,
    connect_timeout: Annotated[float, typer.Option(help="seconds")] = Patience.connect_s,
    attempt_timeout: Annotated[
        float, typer.Option(help="seconds one attempt waits for its answer")
    ] = Patience.attempt_s,
    budget: Annotated[float, typer.Option(help="seconds one operation is tried at all")] = Patience.budget_s,
    drain: Annotated[
        float, typer.Option(help="seconds what is in flight may take to its answer in the end")
    ] = DRAIN_S,
    service_key: ServiceKey = None,
    follow: Annotated[
        bool, typer.Option(help="somebody follows the event feed, until all acknowledged writes are told")
    ] = False,
    receive: Annotated[
        str | None,
        typer.Option(help="somebody takes webhooks at this address, until all of them are delivered"),
    ] = None,
    subscriber_key: SubscriberKey = None,
    stats: Annotated[Path | None, typer.Option(help="where to write the statistics as JSON")] = None,
) -> None:
    """Run a profile until its time is over, SIGTERM or SIGINT; exit 1 when its thresholds are missed."""
    from loadtests.run import Order, UserError  # noqa: PLC0415 - imports Locust, which only this command needs
    from loadtests.run import run as run_load  # noqa: PLC0415

    order = Order(
        profile=profile,
        entries=tuple(entry),
        ca=ca,
        history=history,
        run_id=run_id or secrets.token_hex(4),
        seed=seed,
        duration_s=duration,
        drain_s=drain,
        service_key=service_key or None,
        follow=follow,
        receive=receive,
        subscriber_key=subscriber_key or None,
        patience=Patience(connect_s=connect_timeout, attempt_s=attempt_timeout, budget_s=budget),
    )
    typer.echo(f"{profile.name}: {profile.users} users, run {order.run_id}, seed {seed}")
    try:
        found = run_load(order, typer.echo)
    except UserError as error:
        typer.echo(f"a journey is broken: {error}", err=True)
        raise typer.Exit(BROKEN) from error
    if stats is not None:
        stats.write_text(found.to_json(), encoding="utf-8")
    _tell(found)
    raise typer.Exit(0 if found.judgement.passed else MISSED)


def _tell(found: Statistics) -> None:
    typer.echo(_told("all", found.rate, found.latency))
    for function, work in found.by_function.items():
        typer.echo(_told(function, work.rate, work.latency))
    if found.cores is not None:
        typer.echo(f"the clients took {found.cores:.1%} of a core")
    for reason in found.judgement.reasons:
        typer.echo(f"missed: {reason}")


def _told(what: str, rate: float | None, latency: Latency) -> str:
    often = "rate unknown" if rate is None else f"{rate:g} operations/s"
    return f"{what:>16}: {often}, p50 {latency.p50:g} p95 {latency.p95:g} p99 {latency.p99:g} ms"


@app.command()
def profiles() -> None:
    """List the profiles with their users and rates."""
    for found in PROFILES.values():
        groups = ", ".join(f"{g.count} {kind} every {g.pace_s:g} s" for kind, g in found.groups.items())
        typer.echo(f"{found.name}: {found.story}; {groups}")
